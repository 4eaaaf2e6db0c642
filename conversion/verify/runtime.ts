import { createRequire } from 'node:module';

let loaded: typeof import('onnxruntime-node') | undefined;

// As in serving: ONNX Runtime reports about every session to its maker, where nobody tells it not to.
process.env['ORT_DISABLE_TELEMETRY'] ??= '1';

/** ONNX Runtime, loaded when it is first used: what only reads a version, as a preview does, has no need of it. */
export function runtime(): typeof import('onnxruntime-node') {
  loaded ??= createRequire(import.meta.url)('onnxruntime-node') as typeof import('onnxruntime-node');
  return loaded;
}
