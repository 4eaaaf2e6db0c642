import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import {
  bytesOf,
  convert,
  convertCached,
  inspect,
  readVersion,
  writeVersion,
} from '../../conversion/index.ts';
import { encodeModel, GraphBuilder } from '../../conversion/onnx/index.ts';

const fixtures = new URL('./fixtures/', import.meta.url).pathname;
const digits = new URL('../../samples/digits/', import.meta.url).pathname;
const work = mkdtempSync(join(tmpdir(), 'modelmile-conversion-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Fixtures are written by tf_keras and Keras 3 (fixtures/make.py); their expected outputs are Keras's own, from the same script. */
const expected = JSON.parse(readFileSync(join(fixtures, 'expected.json'), 'utf8')) as Record<
  string,
  { inputs: { shape: number[]; data: number[] }[]; outputs: { shape: number[]; data: number[] }[] }
>;

async function run(model: Uint8Array, inputs: Record<string, { shape: number[]; data: number[] }>) {
  const { InferenceSession, Tensor } = await import('onnxruntime-node');
  const session = await InferenceSession.create(model);
  const feeds = Object.fromEntries(
    Object.entries(inputs).map(([name, { shape, data }]) => [
      name,
      new Tensor('float32', Float32Array.from(data), shape),
    ]),
  );
  const results = await session.run(feeds);
  const outputs = session.outputNames.map((name) => Array.from(results[name]!.data as Float32Array));
  await session.release();
  return outputs;
}

describe('conversion of Keras models', () => {
  it.each(Object.keys(expected))('answers as Keras itself did: %s', async (file) => {
    const { manifest, files } = await convert(join(fixtures, file));
    const { inputs, outputs } = manifest.signatures['serving_default']!;
    const cases = expected[file]!;
    expect(manifest.parity.passed).toBe(true);
    const answers = await run(
      bytesOf(files.get('model.onnx')!),
      Object.fromEntries(inputs.map((spec, i) => [spec.name, cases.inputs[i]!])),
    );
    expect(outputs).toHaveLength(cases.outputs.length);
    cases.outputs.forEach(({ data }, i) => {
      const scale = Math.max(...data.map(Math.abs));
      data.forEach((value, k) => {
        expect(Math.abs((answers[i]![k] as number) - value)).toBeLessThanOrEqual(2e-6 * Math.max(scale, 1));
      });
    });
  });

  it('gives the same bytes for the same source', async () => {
    const [first, second] = [
      await convert(join(digits, 'model.h5')),
      await convert(join(digits, 'model.h5')),
    ];
    expect(first.digest).toBe(second.digest);
    expect(
      Buffer.compare(bytesOf(first.files.get('model.onnx')!), bytesOf(second.files.get('model.onnx')!)),
    ).toBe(0);
  });

  it('measures the accuracy that TensorFlow reports on the held-out digits', async () => {
    const { manifest } = await convert(join(digits, 'model.h5'), { labels: join(digits, 'heldout.npz') });
    const reported = JSON.parse(readFileSync(join(digits, 'metrics.json'), 'utf8')) as {
      heldoutAccuracy: number;
    };
    expect(manifest.accuracy?.value).toBeCloseTo(reported.heldoutAccuracy, 6);
  });

  it('takes ONNX as it is, through the same gate', async () => {
    const { files, digest } = await convert(join(digits, 'model.h5'));
    const path = join(work, 'again.onnx');
    writeFileSync(path, bytesOf(files.get('model.onnx')!));
    const again = await convert(path);
    expect(again.manifest.source.dialect).toBe('onnx');
    expect(again.manifest.artifact.model.sha256).toBe(
      (await convert(join(digits, 'model.h5'))).manifest.artifact.model.sha256,
    );
    expect(again.digest).not.toBe(digest);
  });

  it('reads back what it wrote, and reads a second conversion from the cache', async () => {
    const first = await convertCached(join(digits, 'model.h5'), {}, work);
    const [key] = readdirSync(join(work, 'conversions'));
    await writeVersion(first, join(work, 'repository', 'model', '1'));
    expect((await readVersion(join(work, 'repository', 'model', '1'))).digest).toBe(first.digest);
    // Only the cache can give an answer that the converter would not give.
    rmSync(join(work, 'conversions', key!, 'model.onnx'));
    expect((await convertCached(join(digits, 'model.h5'), {}, work)).files.has('model.onnx')).toBe(false);
  });
});

describe('what conversion refuses', () => {
  const whole = readFileSync(join(digits, 'model.h5'));
  const cases: Record<string, { name: string; bytes: Uint8Array; code: string }> = {
    'a truncated file': {
      name: 'cut.h5',
      bytes: whole.subarray(0, 50_000),
      code: 'CONVERSION_SOURCE_CORRUPT',
    },
    'a file that only has the name of one': {
      name: 'text.h5',
      bytes: Buffer.from('hello'),
      code: 'CONVERSION_SOURCE_CORRUPT',
    },
    'a format that it does not know': {
      name: 'model.pt',
      bytes: Buffer.from('PKxx'),
      code: 'CONVERSION_UNKNOWN_FORMAT',
    },
    'ONNX that is not ONNX': {
      name: 'noise.onnx',
      bytes: Buffer.alloc(64, 8),
      code: 'CONVERSION_SOURCE_CORRUPT',
    },
  };

  it.each(Object.keys(cases))('%s', async (name) => {
    const { name: file, bytes, code } = cases[name]!;
    const path = join(work, file);
    writeFileSync(path, bytes);
    await expect(convert(path)).rejects.toMatchObject({ code });
  });

  it.each([
    ['with a newer format than the runtime knows', { irVersion: 99n, opType: 'Relu' }, 'IR version: 99'],
    ['with an operation that the runtime does not have', { irVersion: 10n, opType: 'Ramp' }, 'Ramp'],
  ])('sound ONNX %s is not told to be damaged alone', async (_name, { irVersion, opType }, named) => {
    const graph = new GraphBuilder();
    const x = graph.input('x', 'float32', [-1, 3]);
    graph.output('y', graph.node(opType, [x], { name: 'only', shape: x.shape }));
    const model = graph.build('small');
    model.irVersion = irVersion;
    const path = join(work, 'newer.onnx');
    writeFileSync(path, encodeModel(model));
    await expect(convert(path)).rejects.toMatchObject({
      code: 'CONVERSION_ONNX_REFUSED',
      message: expect.stringContaining(named),
    });
  });

  it('ONNX whose input has no shape: inspect lists it, and does not send to itself', async () => {
    const graph = new GraphBuilder();
    const x = graph.input('x', 'float32', [-1, 3]);
    graph.output('y', graph.node('Relu', [x], { name: 'only', shape: x.shape }));
    const model = graph.build('small');
    const type = model.graph!.input[0]!.type!.value;
    if (type.case === 'tensorType') delete type.value.shape;
    const path = join(work, 'shapeless.onnx');
    writeFileSync(path, encodeModel(model));
    const { unsupported } = await inspect(path);
    expect(unsupported).toEqual([
      expect.stringMatching(/'x' is not a tensor of a known element type and rank/),
    ]);
    expect(unsupported[0]).not.toContain('modelmile inspect');
  });

  it('ONNX with operations that the runtime does not know: inspect lists each of them', async () => {
    const graph = new GraphBuilder();
    const x = graph.input('x', 'float32', [-1, 3]);
    const known = graph.node('Relu', [x], { name: 'known', shape: x.shape });
    const [own, more] = ['own', 'more'].map((name) => graph.node('Foo', [known], { name, shape: x.shape }));
    graph.output('y', graph.node('Nope', [own!, more!], { name: 'last', shape: x.shape }));
    const model = graph.build('unknown');
    const nodes = model.graph!.node;
    for (const node of nodes) if (node.opType === 'Foo') node.domain = 'com.example';
    model.opsetImport.push({ ...model.opsetImport[0]!, domain: 'com.example', version: 1n });
    const path = join(work, 'unknown.onnx');
    writeFileSync(path, encodeModel(model));
    const { unsupported, layers } = await inspect(path);
    expect(unsupported).toEqual([
      `operation '${nodes[1]!.name}' and 1 more: ONNX Runtime knows no Foo of the domain com.example`,
      `operation '${nodes[3]!.name}': ONNX Runtime knows no Nope of this opset`,
    ]);
    expect(layers.map(({ kind, supported }) => `${kind} ${supported}`)).toEqual([
      'Relu true',
      'Foo false',
      'Foo false',
      'Nope false',
      'Identity true',
    ]);
  });

  it('ONNX that the runtime refuses though it knows every operation: inspect tells what it says', async () => {
    const graph = new GraphBuilder();
    const x = graph.input('x', 'float32', [-1, 3]);
    graph.output('y', graph.node('Add', [x], { name: 'half', shape: x.shape }));
    const path = join(work, 'half.onnx');
    writeFileSync(path, encodeModel(graph.build('half')));
    expect((await inspect(path)).unsupported).toEqual([
      expect.stringMatching(/^ONNX Runtime refuses.*input size 1/),
    ]);
  });

  it('a layer without a converter, by its name, and inspect tells before', async () => {
    const path = join(fixtures, 'unsupported.h5');
    await expect(convert(path)).rejects.toMatchObject({
      code: 'CONVERSION_UNSUPPORTED_LAYER',
      message: expect.stringContaining("'custom_scale'"),
    });
    expect((await inspect(path)).unsupported).toEqual([expect.stringContaining("'custom_scale'")]);
  });
});
