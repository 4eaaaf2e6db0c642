import { ConversionError } from '../errors.ts';
import type { KerasModel } from '../keras/model.ts';
import { kerasToOnnx, type OnnxConversion, type TracePoint } from '../keras/to-onnx.ts';
import type { Parity, Signature } from '../manifest/index.ts';
import { type Frozen, filled, freeze, freezeInto } from '../methods/freeze.ts';
import { methods } from '../methods/index.ts';
import type { Method } from '../methods/method.ts';
import { prune } from '../methods/prune.ts';
import {
  irVersion,
  type ModelProto,
  modelFiles,
  modelIn,
  opsetOf,
  outgrows,
  signatureOf,
} from '../onnx/index.ts';
import type { SourceModel } from '../readers/reader.ts';
import { withTemporaryFolder } from '../temporary-folder.ts';
import { openOnnx } from '../verify/accuracy.ts';
import { halves } from '../verify/halves.ts';
import { tableSizes } from '../verify/input-bounds.ts';
import { withMaskedSteps } from '../verify/masked-steps.ts';
import { joined, modelParity } from '../verify/model-parity.ts';
import { type Candidate, exactBudget, kerasParity } from '../verify/parity.ts';
import { randomRows } from '../verify/random-rows.ts';
import { readSampleRows, type SampleRows } from '../verify/sample-rows.ts';
import { openShipped } from '../verify/session.ts';
import { shelve } from '../verify/shelf.ts';
import { inMemory, type VersionFiles } from '../version-files.ts';
import type { Target, TargetRequest } from './target.ts';

const file = 'model.onnx';
/** Weights beyond are kept on the disk while the gate works. */
const mostKeptBytes = 2 ** 22;

interface ExactModel {
  /** Large weights of it may be in its files alone. */
  readonly model: ModelProto;
  /** What ships of it. */
  readonly files: VersionFiles;
  readonly signature: Signature;
  readonly parity: Parity;
}

const isRefused = (error: unknown): error is ConversionError =>
  error instanceof ConversionError && error.code === 'CONVERSION_RUNTIME_REFUSED';

/** What the runtime does not take of a model that came as ONNX was in the file, which may be damaged, or newer than the runtime. */
function ofSource(error: unknown): never {
  throw isRefused(error) ? new ConversionError('CONVERSION_ONNX_REFUSED', error.what) : error;
}

/** A refusal with the layer whose node the runtime names. */
function atLayer(error: unknown, trace: readonly TracePoint[]): unknown {
  if (!isRefused(error)) return error;
  const names = trace.map(({ at }) => at.replaceAll(/:\d+(?=\/|$)/g, ''));
  const named = names.filter((name) => [`'${name}/`, `(${name}/`].some((mark) => error.what.includes(mark)));
  const [layer] = named.sort((a, b) => b.length - a.length);
  return layer === undefined ? error : new ConversionError(error.code, `Layer '${layer}': ${error.what}`);
}

/** ONNX as it came, frozen: held to what it answered before. */
async function frozenOnnx(
  model: ModelProto,
  { where, seed, mostInlineBytes }: TargetRequest,
): Promise<ExactModel> {
  const signature = signatureOf(model, where);
  const frozen = await freeze(() => model, mostInlineBytes);
  const rows = await randomRows(model, signature, seed);
  const files = modelFiles(frozen, file, mostInlineBytes);
  const parity = await modelParity(model, files, signature, rows, seed, exactBudget);
  if (!parity.passed) {
    throw new ConversionError(
      'CONVERSION_PARITY_FAILED',
      `Freezing moves the answers by ${parity.maxAbsError.toExponential(2)}, allowed are ${parity.tolerance.toExponential(2)}`,
    );
  }
  return { model: frozen, files, signature, parity: { reference: 'source-model', ...parity } };
}

/** A version before the gate. */
interface Written extends Candidate {
  readonly signature: Signature;
  readonly files: VersionFiles;
}

/** Written once, and read back: the gate runs what ships, and the weights are there once. */
async function written(
  { trace, ...frozen }: Frozen & Pick<OnnxConversion, 'trace'>,
  signature: Signature,
  folder: string,
  mostInlineBytes?: number,
): Promise<Written> {
  if (outgrows(frozen.model, mostKeptBytes) && !outgrows(frozen.model, mostInlineBytes)) {
    const shelf = await shelve(file, frozen, folder).catch(() => undefined);
    if (shelf !== undefined) return { ...shelf, trace, signature };
  }
  const files = modelFiles(await filled(frozen), file, mostInlineBytes);
  return {
    model: modelIn(files, file),
    trace,
    signature,
    files,
    open: (added) => openShipped(files, added),
  };
}

/** A conversion, frozen and written. */
async function frozen(
  whole: () => OnnxConversion,
  folder: string,
  { where, mostInlineBytes }: TargetRequest,
): Promise<Written> {
  let [trace, signature]: [OnnxConversion['trace'], Signature?] = [[]];
  const make = () => {
    const conversion = whole();
    ({ trace } = conversion);
    signature = signatureOf(conversion.model, where);
    return conversion.model;
  };
  const model = await freezeInto(folder, make, mostInlineBytes);
  return written({ ...model, trace }, signature!, folder, mostInlineBytes);
}

/** A Keras model, converted and frozen: held to the reference. */
async function frozenKeras(source: KerasModel, request: TargetRequest, folder: string): Promise<ExactModel> {
  const { where, seed, custom, mostInlineBytes } = request;
  // Made anew where it is wanted again: kept, it would double the weights.
  const whole = () => kerasToOnnx(source, custom);
  try {
    const conversion = await frozen(whole, folder, request);
    const { model, files, signature } = conversion;
    const parity = await kerasParity(source, conversion, signature, seed, custom);
    return { model, files, signature, parity };
  } catch (error) {
    // Before freezing every layer has a value of its own: there the gate can name the one that is off.
    const { model, trace } = whole();
    const conversion = await written({ model, trace }, signatureOf(model, where), folder, mostInlineBytes);
    await kerasParity(source, conversion, conversion.signature, seed, custom).catch((named) => {
      throw atLayer(named, trace);
    });
    throw error;
  }
}

/** The exact float32 model of a source in one self-contained piece, gated. */
function exactModel(request: TargetRequest): Promise<ExactModel> {
  const { model, where } = request;
  if (model.kind === 'onnx') return frozenOnnx(model.model, request).catch(ofSource);
  if (model.kind === 'keras')
    return withTemporaryFolder('gate', (folder) => frozenKeras(model, request, folder));
  throw new ConversionError(
    'CONVERSION_UNSUPPORTED',
    `${where} is a .tflite file, which is read to inspect it; convert what it was made from`,
  );
}

/** Small rows that a method learns from for want of real ones: few of them do not show how large values get. */
const learningRows = 64;

/**
 * Random rows, for want of real ones; where the model has masks as many others with steps that these take for none, judged by themselves:
 * their answers may be of another size.
 */
async function standIns(
  source: SourceModel,
  { model, signature }: ExactModel,
  seed: number,
  wanted?: number,
): Promise<SampleRows[]> {
  const rows = await randomRows(model, signature, seed, wanted);
  if (source.kind !== 'keras') return [rows];
  const inputs = withMaskedSteps(rows.inputs, signature, source, tableSizes(model), seed);
  return inputs === rows.inputs ? [rows] : [rows, { inputs }];
}

/** Prunes, then quantizes; what comes out is held to the budget on the rows that stand for real inputs. */
async function applyMethod(
  gated: ExactModel,
  given: SampleRows | undefined,
  { model: source, method: name, prune: pruning, seed, budget, mostInlineBytes }: TargetRequest,
): Promise<Pick<ExactModel, 'model' | 'files' | 'parity'>> {
  const method: Method = methods[name as keyof typeof methods];
  if (method.exact && pruning === undefined) return gated;
  const exact = { ...gated, model: modelIn(inMemory(gated.files), file) };
  const { signature } = exact;
  const learning = given === undefined ? await standIns(source, exact, seed + 1, learningRows) : [given];
  const rows = { inputs: signature.inputs.map((_, i) => joined(learning.map(({ inputs }) => inputs[i]!))) };
  const smaller = pruning === undefined ? exact.model : prune(exact.model, pruning);
  const model = await method.apply(smaller, { signature, rows });
  const files = modelFiles(model, file, mostInlineBytes);
  const judged = [];
  const parts = method.learns && given !== undefined ? halves(given.inputs, signature) : undefined;
  if (parts !== undefined) {
    const taught = await method.apply(smaller, { signature, rows: { inputs: parts.teach } });
    const shipped = modelFiles(taught, file, mostInlineBytes);
    judged.push(await modelParity(exact.model, shipped, signature, { inputs: parts.judge }, seed, budget));
  }
  // Others than those that the method has seen.
  for (const kind of given === undefined ? await standIns(source, exact, seed + 2) : [given])
    judged.push(await modelParity(exact.model, files, signature, kind, seed, budget));
  const worst = judged.reduce((a, b) => (b.maxRelError > a.maxRelError ? b : a));
  // Of rows that are given each is one, however often it is looked at.
  const samples = given?.inputs[0]?.shape[0] ?? judged.reduce((sum, { samples }) => sum + samples, 0);
  const parity = { ...worst, samples };
  if (!parity.passed) {
    const what = pruning === undefined ? `Method '${name}'` : `Pruning ${pruning} with method '${name}'`;
    throw new ConversionError(
      'CONVERSION_BUDGET_EXCEEDED',
      `${what} moves the answers by ${(100 * parity.maxRelError).toFixed(2)} % of their size on ${parity.samples} ${given === undefined ? 'random rows (give real ones: --calibration)' : 'rows'}, allowed are ${100 * budget.relativeError} %`,
    );
  }
  return { model, files, parity: { reference: exact.parity.reference, ...parity } };
}

/** ONNX, which onnxruntime serves. */
export const onnxTarget: Target = {
  file,
  methods: Object.fromEntries(Object.entries(methods).map(([name, { summary }]) => [name, summary])),
  async convert(request) {
    const exact = await exactModel(request);
    const { signature } = exact;
    const rows =
      request.calibration === undefined ? undefined : await readSampleRows(request.calibration, signature);
    const { model, files, parity } = await applyMethod(exact, rows, request);
    return {
      artifact: {
        format: 'onnx',
        irVersion: Number(model.irVersion || BigInt(irVersion)),
        opset: opsetOf(model),
      },
      files,
      signature,
      parity,
      ...(rows?.sha256 === undefined ? {} : { calibrationSha256: rows.sha256 }),
    };
  },
  open: openOnnx,
};
