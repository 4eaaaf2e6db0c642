import { createRequire } from 'node:module';

let loaded: typeof import('onnxruntime-node') | undefined;

/** ONNX Runtime, loaded when it is first used: what only reads a version, as a preview does, has no need of it. */
export function runtime(): typeof import('onnxruntime-node') {
  loaded ??= createRequire(import.meta.url)('onnxruntime-node') as typeof import('onnxruntime-node');
  return loaded;
}
