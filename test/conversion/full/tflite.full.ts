import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { assemble, kerasToTflite, readTflite } from '../../../conversion/tflite/index.ts';
import { tfliteMethods } from '../../../conversion/tflite/methods.ts';
import { fullCount } from '../../support/full-count.ts';
import {
  calibrationRows,
  type Expected,
  errorAgainst,
  errorOf,
  readModel,
  tensorOf,
  testRows,
} from '../tflite/cases.ts';
import { interpret, type Job, pythonWith } from '../tflite/python.ts';

/** The real frameworks and the real interpreter in one Python. */
const python = pythonWith('tensorflow', 'tf_keras', 'ai_edge_litert');
const maker = new URL('../tflite/fixtures/make.py', import.meta.url).pathname;
const lossy = ['float16', 'dynamic-int8', 'static-int8'] as const;

interface Figures {
  /** Files by the name of the model, with the share of what is allowed that each error is, by the interpreter's own kernels. */
  readonly exact: Readonly<Record<string, number>>;
  /** The same through XNNPACK, by what is allowed or by TFLiteConverter's own error there, where that is larger. */
  readonly delegated: Readonly<Record<string, number>>;
  /** Sizes as a share of TFLiteConverter's. */
  readonly sizes: Readonly<Record<string, number>>;
  /** `<model> <method>`: error as a share of TFLiteConverter's own, and size alike. */
  readonly quantized: Readonly<Record<string, { error: number; size: number }>>;
}

/** Models of a seed, saved by both Kerases, converted, and run by the interpreter. @throws where one is not as it must be */
async function round(seed: number): Promise<Figures> {
  const folder = mkdtempSync(join(tmpdir(), 'modelmile-tflite-full-'));
  try {
    const archive = join(folder, 'models.zip');
    execFileSync(python as string, [maker, '--out', archive, '--seed', String(seed)], { stdio: 'ignore' });
    const files = unzipSync(readFileSync(archive));
    const expected = JSON.parse(new TextDecoder().decode(files['expected.json'])) as Record<string, Expected>;
    const jobs: { job: Job; name: string; method?: (typeof lossy)[number]; bytes: Uint8Array }[] = [];
    for (const [name, { inputs, quantized }] of Object.entries(expected)) {
      const source = join(folder, `${name}.h5`);
      writeFileSync(source, files[`${name}.h5`] as Uint8Array);
      const { program } = kerasToTflite(await readModel(source));
      const add = (bytes: Uint8Array, method?: (typeof lossy)[number]) => {
        const model = join(folder, `${name}-${method ?? 'float32'}.tflite`);
        writeFileSync(model, bytes);
        const rows = method === undefined ? inputs : [testRows(inputs[0]!.shape.slice(1))];
        const feeds = readTflite(bytes, name).inputNames.map((input, i) => [input, rows[i]!] as const);
        const job = { model, inputs: Object.fromEntries(feeds) };
        jobs.push({ job, name, bytes, ...(method && { method }) });
        if (method === undefined) jobs.push({ job: { ...job, isPlain: true }, name, bytes });
      };
      add(assemble(program));
      if (quantized === undefined) continue;
      const calibration = [tensorOf(calibrationRows(inputs[0]!.shape.slice(1)))];
      for (const method of lossy)
        add(assemble(await tfliteMethods[method].apply(program, calibration)), method);
    }
    const answers = interpret(
      python as string,
      jobs.map(({ job }) => job),
    );
    const figures = { exact: {}, delegated: {}, sizes: {}, quantized: {} } as {
      [Key in keyof Figures]: Record<string, Figures[Key][string]>;
    };
    jobs.forEach(({ job, name, method, bytes }, i) => {
      const { outputs, error: refused } = answers[i]!;
      if (outputs === undefined) throw new Error(`${name}: the interpreter refuses it: ${refused}`);
      const inOrder = readTflite(bytes, name).outputNames.map((output) => outputs[output]!);
      const { converterBytes, quantized } = expected[name]!;
      if (method === undefined) {
        const { error, allowed } = errorOf(inOrder, expected[name]!);
        const bound = job.isPlain ? allowed : Math.max(allowed, expected[name]!.converterError ?? 0);
        figures[job.isPlain ? 'exact' : 'delegated'][name] = error === 0 ? 0 : error / bound;
        if (converterBytes !== null) figures.sizes[name] = bytes.length / converterBytes;
        return;
      }
      const theirs = quantized!.methods[method]!;
      const { rms, rounding } = errorAgainst(quantized!.reference, inOrder[0]!.data, method);
      figures.quantized[`${name} ${method}`] = {
        error: rms <= rounding ? Math.min(1, rms / theirs.rms) : rms / theirs.rms,
        size: bytes.length / theirs.bytes,
      };
    });
    return figures;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const largest = (figures: Readonly<Record<string, number>>) =>
  Object.entries(figures).reduce((a, b) => (b[1] > a[1] ? b : a), ['none', 0] as const);

/** The worst of all rounds, with its name. @throws where it is beyond what is allowed */
function worst(all: readonly Readonly<Record<string, number>>[], allowed: number, what: string): string {
  const [name, seen] = all.map(largest).reduce((a, b) => (b[1] > a[1] ? b : a));
  if (!(seen <= allowed)) throw new Error(`${what}: ${name} ${seen}, allowed are ${allowed}`);
  return `${seen.toFixed(3)} (${name})`;
}

const pick = (figures: Figures, method: string, key: 'error' | 'size') =>
  Object.fromEntries(
    Object.entries(figures.quantized).flatMap(([name, seen]) =>
      name.endsWith(method) ? [[name, seen[key]] as const] : [],
    ),
  );

await fullCount<Figures>(import.meta.url, {
  title: 'TFLite, run by the real interpreter',
  what: 'Models of every T0 layer, recurrent ones among them, saved by tf_keras and Keras 3 with weights of the seed, as .tflite files that ai-edge-litert runs. By the interpreter’s own kernels a float32 answer further from Keras in float64 than four times Keras’s own float32 error (or 1e-5 of the largest answer) would have been a failure; through XNNPACK, which rounds in an order of its own, one that is also further than TFLiteConverter’s own file is there; and so would a quantized file whose error is over 1.15 times that of TFLiteConverter’s with the same calibration rows, a file more than 1 % larger than TFLiteConverter’s, or one that the interpreter refuses.',
  chunks: 3,
  lacks:
    python === undefined
      ? 'a Python with tensorflow, tf_keras and ai_edge_litert (MODELMILE_PYTHON names one)'
      : undefined,
  run: (_chunk, seed) => round(seed),
  report: (all) => ({
    'float32 files': all.reduce((sum, { exact }) => sum + Object.keys(exact).length, 0),
    'worst float32 error, share of what is allowed': worst(
      all.map(({ exact }) => exact),
      1,
      'error',
    ),
    'worst through XNNPACK, share of that or of TFLiteConverter’s own': worst(
      all.map(({ delegated }) => delegated),
      1,
      'XNNPACK',
    ),
    'compared with TFLiteConverter': all.reduce((sum, { sizes }) => sum + Object.keys(sizes).length, 0),
    "largest float32 file, share of TFLiteConverter's": worst(
      all.map(({ sizes }) => sizes),
      1.01,
      'size',
    ),
    ...Object.fromEntries(
      lossy.flatMap((method) => [
        [
          `${method}: worst error, share of TFLiteConverter's`,
          worst(
            all.map((one) => pick(one, method, 'error')),
            1.15,
            method,
          ),
        ],
        [
          `${method}: largest file, share of TFLiteConverter's`,
          worst(
            all.map((one) => pick(one, method, 'size')),
            1.01,
            method,
          ),
        ],
      ]),
    ),
  }),
});
