import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bytesOf, type Conversion, convert } from '../../conversion/index.ts';
import { defaultSignatureName } from '../../conversion/manifest/index.ts';
import { decodeModel } from '../../conversion/onnx/index.ts';
import { measureLatency } from '../../conversion/verify/latency.ts';
import { answers } from '../../conversion/verify/model-parity.ts';
import { readSampleRows } from '../../conversion/verify/sample-rows.ts';

const script = fileURLToPath(new URL('./peers/quantize.py', import.meta.url));

/** What one quantizer makes of a model. */
export interface Quantized {
  readonly sizeBytes: number;
  /** Root mean square of what it moves the answers by, as a share of theirs. */
  readonly error: number;
  /** Medians, all files in turns. */
  readonly oneRowMs: number;
  readonly sixteenRowsMs: number;
}

/** A model quantized by both, beside the float32 one. */
export interface QuantizerRow {
  readonly model: string;
  readonly method: string;
  readonly float: Quantized;
  readonly ours: Quantized;
  readonly theirs: Quantized;
}

const modelOf = (conversion: Conversion) => bytesOf(conversion.files.get('model.onnx')!);

/** What `onnxruntime.quantization` makes of our float32 model, with the same rows. */
async function byPython(python: string, method: string, float: Conversion, rows: string, folder: string) {
  const [source, out] = [join(folder, 'float.onnx'), join(folder, `${method}.onnx`)];
  await writeFile(source, modelOf(float));
  const { status, stderr } = spawnSync(python, [script, method, source, rows, out], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`onnxruntime.quantization: ${stderr.slice(-2000)}`);
  const { manifest } = float;
  return {
    ...float,
    manifest: { ...manifest, recipe: { ...manifest.recipe, method } },
    files: new Map([['model.onnx', new Uint8Array(await readFile(out))]]),
  };
}

async function errorOf(float: Conversion, quantized: Conversion, rows: string): Promise<number> {
  const signature = float.manifest.signatures[defaultSignatureName]!;
  const sample = await readSampleRows(rows, signature);
  const [expected, seen] = await Promise.all(
    [float, quantized].map((one) => answers(decodeModel(modelOf(one), 'the model'), signature, sample)),
  );
  const reference = expected![0]!.data;
  const moved = reference.reduce((sum, value, i) => sum + (value - seen![0]!.data[i]!) ** 2, 0);
  return Math.sqrt(moved / reference.reduce((sum, value) => sum + value ** 2, 0));
}

/** Both quantizers on a model of make_models.py. */
export async function compareQuantizers(
  python: string,
  models: string,
  model: string,
  method: string,
  folder: string,
): Promise<QuantizerRow> {
  const source = join(models, `${model}.h5`);
  const [calibration, judged] = ['calibration', 'judged'].map((name) => join(models, `${model}-${name}.npz`));
  const budget = { relativeError: Number.MAX_VALUE };
  const float = await convert(source);
  const ours = await convert(source, { method, calibration: calibration!, budget });
  const theirs = await byPython(python, method, float, calibration!, folder);
  const times = await measureLatency([float, ours, theirs]);
  const figures = async (one: Conversion): Promise<Quantized> => ({
    sizeBytes: modelOf(one).length,
    error: await errorOf(float, one, judged!),
    ...times.get(one)!,
  });
  return {
    model,
    method,
    float: await figures(float),
    ours: await figures(ours),
    theirs: await figures(theirs),
  };
}
