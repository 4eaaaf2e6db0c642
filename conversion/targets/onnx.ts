import { ConversionError } from '../errors.ts';
import { kerasToOnnx } from '../keras/to-onnx.ts';
import type { Parity, Signature } from '../manifest/index.ts';
import { freeze } from '../methods/freeze.ts';
import { methods } from '../methods/index.ts';
import type { Method } from '../methods/method.ts';
import { prune } from '../methods/prune.ts';
import { encodeModel, irVersion, type ModelProto, opsetOf, signatureOf } from '../onnx/index.ts';
import { openOnnx } from '../verify/accuracy.ts';
import { modelParity } from '../verify/model-parity.ts';
import { exactBudget, kerasParity, randomInputs } from '../verify/parity.ts';
import { randomRows, readSampleRows, type SampleRows } from '../verify/sample-rows.ts';
import type { Target, TargetRequest } from './target.ts';

interface ExactModel {
  readonly model: ModelProto;
  readonly signature: Signature;
  readonly parity: Parity;
}

/** The exact float32 model of a source, gated by the reference. */
async function exactModel({ model, where, seed, budget }: TargetRequest): Promise<ExactModel> {
  if (model.kind === 'onnx') {
    const signature = signatureOf(model.model, where);
    const rows = { inputs: randomInputs(signature, seed) };
    const parity = await modelParity(model.model, model.model, signature, rows, seed, budget);
    return { model: model.model, signature, parity: { reference: 'source-model', ...parity } };
  }
  if (model.kind !== 'keras') {
    throw new ConversionError(
      'CONVERSION_UNSUPPORTED',
      `${where} is a .tflite file, which is read to inspect it; convert what it was made from`,
    );
  }
  const conversion = kerasToOnnx(model);
  const signature = signatureOf(conversion.model, where);
  return {
    model: conversion.model,
    signature,
    parity: await kerasParity(model, conversion, signature, seed),
  };
}

/** The exact model in one self-contained piece; it must still answer as before. */
async function frozen({ model, signature, parity }: ExactModel, seed: number): Promise<ExactModel> {
  const changed = await freeze(model);
  const rows = { inputs: randomInputs(signature, seed) };
  const moved = await modelParity(model, changed, signature, rows, seed, exactBudget);
  if (!moved.passed) {
    throw new ConversionError(
      'CONVERSION_PARITY_FAILED',
      `Freezing moves the answers by ${moved.maxAbsError.toExponential(2)}, allowed are ${moved.tolerance.toExponential(2)}`,
    );
  }
  return { model: changed, signature, parity };
}

/** Prunes, then quantizes; what comes out is held to the budget on the rows that stand for real inputs. */
async function applyMethod(
  exact: ExactModel,
  rows: SampleRows,
  { method: name, prune: pruning, seed, budget }: TargetRequest,
): Promise<{ model: ModelProto; parity: Parity }> {
  const method: Method = methods[name as keyof typeof methods];
  const { signature } = exact;
  const smaller = pruning === undefined ? exact.model : prune(exact.model, pruning);
  const model = await method.apply(smaller, { signature, rows });
  if (method.exact && pruning === undefined) return { model, parity: exact.parity };
  const parity = await modelParity(exact.model, model, signature, rows, seed, budget);
  if (!parity.passed) {
    const what = pruning === undefined ? `Method '${name}'` : `Pruning ${pruning} with method '${name}'`;
    throw new ConversionError(
      'CONVERSION_BUDGET_EXCEEDED',
      `${what} moves the answers by ${(100 * parity.maxRelError).toFixed(2)} % of their size on ${parity.samples} ${rows.sha256 === undefined ? 'random rows (give real ones: --calibration)' : 'rows'}, allowed are ${100 * budget.relativeError} %`,
    );
  }
  return { model, parity: { reference: exact.parity.reference, ...parity } };
}

/** ONNX, which onnxruntime serves. */
export const onnxTarget: Target = {
  file: 'model.onnx',
  methods: Object.fromEntries(Object.entries(methods).map(([name, { summary }]) => [name, summary])),
  async convert(request) {
    const exact = await frozen(await exactModel(request), request.seed);
    const { signature } = exact;
    const rows =
      request.calibration === undefined
        ? randomRows(signature, request.seed)
        : await readSampleRows(request.calibration, signature);
    const { model, parity } = await applyMethod(exact, rows, request);
    return {
      artifact: {
        format: 'onnx',
        irVersion: Number(model.irVersion || BigInt(irVersion)),
        opset: opsetOf(model),
      },
      bytes: encodeModel(model),
      signature,
      parity,
      ...(rows.sha256 === undefined ? {} : { calibrationSha256: rows.sha256 }),
    };
  },
  open: openOnnx,
};
