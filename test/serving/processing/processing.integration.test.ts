import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { convert, writeVersion } from '../../../conversion/index.ts';
import { GRPCInferenceService } from '../../../serving/protocols/open-inference-grpc/generated/open_inference_pb.js';
import {
  PredictionService,
  DataType as TensorflowType,
} from '../../../serving/protocols/tensorflow-grpc/generated/tensorflow_serving_pb.js';
import { GrpcClient } from '../support/grpc-client.ts';
import { scaledSum, writeFixture } from '../support/models.ts';
import { ask } from '../support/requests.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { expected, fixture } from './fixtures.ts';
import { makeNoise } from './noise.ts';

const modelRoot = mkdtempSync(join(tmpdir(), 'modelmile-processing-'));
let server: TestServer;
let openInference: GrpcClient<typeof GRPCInferenceService>;
let tensorflowServing: GrpcClient<typeof PredictionService>;

beforeAll(async () => {
  for (const name of ['shapes', 'credit']) {
    await writeVersion(await convert(fixture(`${name}.h5`)), join(modelRoot, name, '1'));
  }
  await writeFixture(modelRoot, 'odds', 1, { ...scaledSum(0.5), labels: ['no', 'yes'] });
  server = await startServer({}, { modelRoot, maxImagePixels: 1_000_000 });
  openInference = new GrpcClient(GRPCInferenceService, server.grpc);
  tensorflowServing = new GrpcClient(PredictionService, server.grpc);
}, 60_000);
afterAll(async () => {
  openInference?.close();
  tensorflowServing?.close();
  await server?.stop();
  rmSync(modelRoot, { recursive: true, force: true });
  // On a busy machine the database that writes what waits may only just have started.
}, 60_000);

const predict = (model: string, body: unknown) => ask(`${server.rest}/v1/models/${model}:predict`, body);
const b64 = (file: string) => ({ b64: readFileSync(fixture(file)).toString('base64') });
/** Serialised: 4 bytes of length, then the bytes. */
const framed = (bytes: Buffer) => {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, bytes]);
};

describe('pictures', () => {
  const { pictures } = expected;
  const files = pictures.map(({ file }) => file);
  const labels = pictures.map(({ label }) => label);

  it("get the class that Keras's own pipeline gives, each of them", async () => {
    const { json } = await predict('shapes', { instances: files.map(b64) });
    const told = json.predictions as { classes: string[]; scores: number[] }[];
    expect(told.map(({ classes }) => classes[0])).toEqual(labels);
    for (const [row, { classes, scores }] of told.entries()) {
      expect([classes.length, scores.length]).toEqual([2, 2]);
      const best = Math.max(...pictures[row]!.scores);
      // TensorFlow's faster transform differs by a few levels of 256.
      expect([files[row], Math.abs(scores[0]! - best) < 0.03]).toEqual([files[row], true]);
    }
  });

  it('are taken in every form of every protocol, with the same answer', async () => {
    const [first, second] = ['disc-420.jpg', 'cross-rgb.png'] as const;
    const rows = await predict('shapes', { instances: [b64(first), b64(second)] });
    const wanted = (rows.json.predictions as { classes: string[] }[]).map(({ classes }) => classes);
    expect(wanted.map(([best]) => best)).toEqual(['disc', 'cross']);
    const forms = [
      { instances: [{ picture: b64(first) }, { picture: b64(second) }] },
      { inputs: { picture: [b64(first), b64(second)] } },
      { inputs: [b64(first), b64(second)] },
      { inputs: [{ data: [b64(first), b64(second)] }] },
      { inputs: [{ name: 'picture', data: [b64(first).b64, b64(second).b64] }] },
    ];
    for (const form of forms) {
      const { status, json } = await predict('shapes', form);
      const told =
        json.outputs?.classes ?? json.predictions?.map(({ classes }: { classes: string[] }) => classes);
      expect([Object.keys(form), status, told]).toEqual([Object.keys(form), 200, wanted]);
    }

    const tensor = { name: 'picture', datatype: 'BYTES', shape: [2] };
    const asJson = { inputs: [{ ...tensor, data: [b64(first).b64, b64(second).b64] }] };
    const text = await ask(`${server.rest}/v2/models/shapes/infer`, asJson);
    expect(
      text.json.outputs.map(({ name, shape }: { name: string; shape: number[] }) => [name, shape]),
    ).toEqual([
      ['classes', [2, 2]],
      ['scores', [2, 2]],
    ]);
    expect(text.json.outputs[0].data).toEqual(wanted.flat());

    const raw = Buffer.concat([first, second].map((file) => framed(readFileSync(fixture(file)))));
    const head = Buffer.from(
      JSON.stringify({ inputs: [{ ...tensor, parameters: { binary_data_size: raw.length } }] }),
    );
    const binary = await ask(`${server.rest}/v2/models/shapes/infer`, Buffer.concat([head, raw]), {
      headers: { 'inference-header-content-length': String(head.length) },
    });
    expect(binary.json.outputs[0].data).toEqual(wanted.flat());

    const overGrpc = await openInference.call('modelInfer', {
      modelName: 'shapes',
      inputs: [{ name: 'picture', datatype: 'BYTES', shape: [2n] }],
      rawInputContents: [raw],
    });
    expect(overGrpc.message.outputs.map(({ name }) => name)).toEqual(['classes', 'scores']);
    expect(Buffer.from(overGrpc.message.rawOutputContents[0]!).includes(wanted[0]![0]!)).toBe(true);

    const tensorflow = await tensorflowServing.call('predict', {
      modelSpec: { name: 'shapes' },
      inputs: {
        picture: {
          dtype: TensorflowType.DT_STRING,
          tensorShape: { dim: [{ size: 2n }] },
          stringVal: [first, second].map((file) => readFileSync(fixture(file))),
        },
      },
    });
    const classes = tensorflow.message.outputs['classes']!.stringVal.map((bytes) =>
      Buffer.from(bytes).toString(),
    );
    expect(classes).toEqual(wanted.flat());
  });

  it('are one a row: a list of lists of them is refused', async () => {
    const [picture] = files.map(b64);
    const { status, json } = await predict('shapes', { instances: [[picture, picture]] });
    expect([status, json.error]).toEqual([
      400,
      expect.stringContaining("input 'picture' has the shape [1,2]"),
    ]);
    expect((await predict('shapes', { instances: [[picture], [picture]] })).json.predictions).toHaveLength(2);
  });

  it('leave tensors as they are: tensors in, tensors out, and words where they are asked for by name', async () => {
    const row = Array.from({ length: 16 }, () => Array.from({ length: 20 }, () => [0.5, 0.5, 0.5]));
    const raw = await predict('shapes', { instances: [row] });
    expect(raw.json.predictions[0]).toHaveLength(4);
    const named = await ask(`${server.rest}/v2/models/shapes/infer`, {
      inputs: [{ name: 'picture', datatype: 'FP32', shape: [1, 16, 20, 3], data: row.flat(2) }],
      outputs: [{ name: 'classes' }, { name: 'shape' }],
    });
    const [classes, scores] = named.json.outputs as { data: never[] }[];
    const best = raw.json.predictions[0].indexOf(Math.max(...raw.json.predictions[0]));
    expect(classes!.data[0]).toBe(['disc', 'square', 'stripes', 'cross'][best]);
    expect(scores!.data).toEqual(raw.json.predictions[0]);
  });

  it('are told once: words that are asked for again and again are refused', async () => {
    const outputs = ['classes', 'shape', 'classes'].map((name) => ({ name }));
    const inputs = [{ name: 'picture', datatype: 'BYTES', shape: [1], data: [b64(files[0]!).b64] }];
    const { status, json } = await ask(`${server.rest}/v2/models/shapes/infer`, { inputs, outputs });
    expect([status, json.error]).toEqual([400, expect.stringContaining('An output is named twice')]);
  });

  it('classify with every class, from pictures too', async () => {
    const { json } = await ask(`${server.rest}/v1/models/shapes:classify`, {
      examples: [{ picture: b64('stripes-444.jpg') }],
    });
    const [row] = json.results as [string, number][][];
    expect(row!.map(([label]) => label)).toEqual(['disc', 'square', 'stripes', 'cross']);
    expect(row![2]![1]).toBeGreaterThan(0.9);
  });

  it('are refused with a sentence and an example that works', async () => {
    const broken: [unknown, string][] = [
      [{ instances: [{ b64: 'R0lGODlh' }] }, "input 'picture', row 0: it is neither JPEG nor PNG"],
      [
        { instances: [b64('disc-420.jpg'), { b64: b64('disc-420.jpg').b64.slice(0, 400) }] },
        'row 1: the JPEG',
      ],
      [{ instances: [{ picture: { b64: '%%%' } }] }, 'base64'],
      [{ instances: [[1, 2]] }, "Input 'picture'"],
      [{ instances: [{ photo: b64('disc-420.jpg') }] }, "There is no input 'photo'"],
    ];
    for (const [body, why] of broken) {
      const { status, json } = await predict('shapes', body);
      expect([why, status, json.error]).toEqual([why, 400, expect.stringContaining(why)]);
      const example = /A request that works: (.*)$/.exec(json.error)![1]!;
      expect((await predict('shapes', example)).status).toBe(200);
    }
  });

  it('do not hold up requests without one', async () => {
    const large = { b64: makeNoise(1000, 990).toString('base64') };
    const startedMs = performance.now();
    const slow = Array.from({ length: 6 }, () => predict('shapes', { instances: [large] }));
    let isDone = false;
    void Promise.all(slow).then(() => {
      isDone = true;
    });
    const row = expected.columns.rows[0]!;
    const waits: number[] = [];
    while (!isDone) {
      const askedMs = performance.now();
      expect((await predict('credit', { instances: [row] })).status).toBe(200);
      waits.push(performance.now() - askedMs);
    }
    for (const answer of await Promise.all(slow)) expect(answer.status).toBe(200);
    const onePictureMs = (performance.now() - startedMs) / slow.length;
    const median = waits.sort((a, b) => a - b)[waits.length >> 1]!;
    // Decoded on the thread that answers, each picture would be a wait for the request behind it.
    expect([waits.length > 2 * slow.length, median < onePictureMs / 2]).toEqual([true, true]);
  });
});

describe('named columns', () => {
  const { rows, scores } = expected.columns;
  const bestOf = (row: readonly number[]) => (row[1]! > row[0]! ? 'high' : 'low');

  it("get the scores that Keras's Normalization, Rescaling and StringLookup lead to", async () => {
    const { json } = await predict('credit', { instances: rows });
    const told = json.predictions as { classes: string[]; scores: number[] }[];
    expect(told.map(({ classes }) => classes[0])).toEqual(scores.map(bestOf));
    for (const [row, { scores: got }] of told.entries()) {
      expect(Math.abs(got[0]! - Math.max(...scores[row]!))).toBeLessThan(1e-5);
    }
  });

  it('are taken in every form of every protocol, with the same answer', async () => {
    const some = rows.slice(0, 5);
    const column = (name: string) => some.map((row) => row[name]!);
    const wanted = some.map((_, row) => bestOf(scores[row]!));
    const first = (classes: string[][]) => classes.map(([best]) => best);
    const names = Object.keys(some[0]!);
    const columns = Object.fromEntries(names.map((name) => [name, column(name)]));
    const source = names.map((name) => ({ name, data: column(name) }));
    for (const inputs of [columns, source]) {
      const { status, json } = await predict('credit', { inputs });
      expect([status, first(json.outputs.classes)]).toEqual([200, wanted]);
    }
    const types: Record<string, string> = { age: 'FP32', income: 'FP64', home: 'BYTES', plan: 'INT64' };
    const inputs = names.map((name) => ({ name, datatype: types[name]!, shape: [5, 1], data: column(name) }));
    const open = await ask(`${server.rest}/v2/models/credit/infer`, { inputs });
    const flat = open.json.outputs[0].data as string[];
    expect(flat.filter((_, index) => index % 2 === 0)).toEqual(wanted);
    const { message } = await tensorflowServing.call('predict', {
      modelSpec: { name: 'credit' },
      inputs: Object.fromEntries(
        names.map((name) => [
          name,
          {
            dtype: name === 'home' ? TensorflowType.DT_STRING : TensorflowType.DT_DOUBLE,
            tensorShape: { dim: [{ size: 5n }] },
            ...(name === 'home'
              ? { stringVal: column(name).map((text) => Buffer.from(String(text))) }
              : { doubleVal: column(name).map(Number) }),
          },
        ]),
      ),
    });
    const classes = message.outputs['classes']!.stringVal.map((bytes) => Buffer.from(bytes).toString());
    expect(classes.filter((_, index) => index % 2 === 0)).toEqual(wanted);
    const classified = await ask(`${server.rest}/v1/models/credit:classify`, { examples: some });
    expect((classified.json.results as [string, number][][]).map((row) => row[1]![0])).toEqual(
      Array(5).fill('high'),
    );
  });

  it('may be missing where they have a default, row by row', async () => {
    const whole = { income: 50, plan: 3, age: 40, home: 'rent' };
    const { age: _, home: __, ...rest } = whole;
    const { json } = await predict('credit', { instances: [whole, rest, { ...rest, age: null, home: '' }] });
    const [first, second, third] = json.predictions as { scores: number[] }[];
    expect([second, third]).toEqual([first, first]);
  });

  it('are missing where Python writes NaN, in rows, in columns and in examples', async () => {
    const row = '{"income":50,"plan":3,"age":NaN,"home":NaN}';
    const columns = '{"income":[50],"plan":[3],"age":[NaN],"home":[[NaN]]}';
    const predictions = await Promise.all([
      predict('credit', { instances: [{ income: 50, plan: 3 }] }),
      predict('credit', `{"instances":[${row}]}`),
      predict('credit', `{"inputs":${columns}}`),
    ]);
    const [left, inRow, inColumn] = predictions.map(({ json }) => json);
    expect(inRow.predictions).toEqual(left.predictions);
    expect(inColumn.outputs).toEqual({ ...left.predictions[0], ...inColumn.outputs });
    const text = { income: [50, 50], plan: [3, 3], home: ['own', null] };
    const beside = JSON.stringify({ inputs: text }).replace('null', 'NaN');
    const both = await Promise.all([predict('credit', { inputs: text }), predict('credit', beside)]);
    expect(both[1].json).toEqual(both[0].json);
    const path = `${server.rest}/v1/models/credit:classify`;
    const examples = await Promise.all([
      ask(path, { examples: [{ income: 50, plan: 3 }] }),
      ask(path, `{"examples":[${row}]}`),
    ]);
    expect(examples.map(({ status }) => status)).toEqual([200, 200]);
    expect(examples[1]!.json.results).toEqual(examples[0]!.json.results);
  });

  it('leave tensors as they are', async () => {
    const { json } = await predict('credit', { instances: [expected.columns.encoded[0]] });
    for (const [index, score] of (json.predictions[0] as number[]).entries()) {
      expect(Math.abs(score - scores[0]![index]!)).toBeLessThan(1e-5);
    }
  });

  it('are refused by name and row, without the value', async () => {
    const good = rows[0]!;
    const broken: [object, string][] = [
      [{ ...good, age: 'secret' }, "row 1: feature 'age' must be a number"],
      [{ ...good, plan: 4 }, "row 1: feature 'plan' must be one of 1, 3, 7"],
      [{ home: 'own', plan: 1 }, "row 1: feature 'income' is missing, and has no default"],
      [{ ...good, income: [1] }, "Feature 'income' is one value a row"],
      [{ ...good, wage: 1 }, "There is no input 'wage'; the model takes 'applicant', 'age', 'income'"],
    ];
    for (const [row, why] of broken) {
      const { status, json } = await predict('credit', { instances: [good, row] });
      expect([status, json.error]).toEqual([400, expect.stringContaining(why)]);
      expect(json.error).not.toContain('secret');
      const example = /A request that works: (.*)$/.exec(json.error)![1]!;
      expect((await predict('credit', example)).status).toBe(200);
    }
    const both = await predict('credit', { inputs: { applicant: [Array(9).fill(0)], age: [3] } });
    expect([both.status, both.json.error]).toEqual([
      400,
      expect.stringContaining('as a tensor and as columns'),
    ]);
  });

  it('are told of in the metadata of both protocols', async () => {
    const [tensorflow, open] = await Promise.all([
      ask(`${server.rest}/v1/models/credit/metadata`),
      ask(`${server.rest}/v2/models/credit`),
    ]);
    for (const { inputs, output } of [tensorflow.json.metadata.processing, open.json.processing]) {
      expect(inputs.applicant.features[2]).toMatchObject({
        name: 'home',
        vocabulary: ['rent', 'own', 'mortgage'],
      });
      expect(output).toEqual({ tensor: 'risk', top: 2, labels: ['low', 'high'] });
    }
  });
});

describe('one probability with two labels', () => {
  const [x, odds] = [
    [0.5, 0.25],
    [
      ['no', 0.625],
      ['yes', 0.375],
    ],
  ];

  it("is the second label's, and the first has the rest, on every protocol", async () => {
    const rest = await ask(`${server.rest}/v1/models/odds:classify`, { examples: [{ x }] });
    expect(rest.json.results).toEqual([odds]);
    const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: x }];
    const outputs = [{ name: 'y', parameters: { classification: 2 } }];
    const open = await ask(`${server.rest}/v2/models/odds/infer`, { inputs, outputs });
    expect(open.json.outputs[0].data).toEqual(['0.625000:0:no', '0.375000:1:yes']);
    const feature = { kind: { case: 'floatList' as const, value: { value: x } } };
    const list = { examples: [{ features: { feature: { x: feature } } }] };
    const { message } = await tensorflowServing.call('classify', {
      modelSpec: { name: 'odds' },
      input: { kind: { case: 'exampleList', value: list } },
    });
    const classes = message.result!.classifications[0]!.classes;
    expect(classes.map(({ label, score }) => [label, score])).toEqual(odds);
  });
});
