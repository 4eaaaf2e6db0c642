import { ConversionError } from '../errors.ts';
import { kerasToOnnx } from '../keras/to-onnx.ts';
import type { Parity, Signature } from '../manifest/index.ts';
import { methods } from '../methods/index.ts';
import type { Method } from '../methods/method.ts';
import { encodeModel, irVersion, type ModelProto, opsetOf, signatureOf } from '../onnx/index.ts';
import { openOnnx } from '../verify/accuracy.ts';
import { kerasParity, modelParity } from '../verify/parity.ts';
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
    const parity = await modelParity(model.model, model.model, signature, seed, budget);
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

async function applyMethod(
  exact: ExactModel,
  { method: name, seed, budget }: TargetRequest,
): Promise<{ model: ModelProto; parity: Parity }> {
  const method: Method = methods[name as keyof typeof methods];
  const model = await method.apply(exact.model, { signature: exact.signature, calibration: undefined, seed });
  if (method.exact) return { model, parity: exact.parity };
  const parity = await modelParity(exact.model, model, exact.signature, seed, budget);
  if (!parity.passed) {
    throw new ConversionError(
      'CONVERSION_BUDGET_EXCEEDED',
      `Method '${name}' moves the answers by ${(100 * parity.maxRelError).toFixed(2)} % of their size, allowed are ${100 * budget.relativeError} %`,
    );
  }
  return { model, parity: { reference: exact.parity.reference, ...parity } };
}

/** ONNX, which onnxruntime serves. */
export const onnxTarget: Target = {
  file: 'model.onnx',
  methods: Object.fromEntries(Object.entries(methods).map(([name, { summary }]) => [name, summary])),
  async convert(request) {
    const exact = await exactModel(request);
    const { model, parity } = await applyMethod(exact, request);
    return {
      artifact: {
        format: 'onnx',
        irVersion: Number(model.irVersion || BigInt(irVersion)),
        opset: opsetOf(model),
      },
      bytes: encodeModel(model),
      signature: exact.signature,
      parity,
    };
  },
  open: openOnnx,
};
