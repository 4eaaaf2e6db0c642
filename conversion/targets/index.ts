import { onnxTarget } from './onnx.ts';
import type { Target } from './target.ts';
import { tfliteTarget } from './tflite.ts';

/** Every deployable format, by the name that `--target` and the manifest use. */
export const targets = {
  onnx: onnxTarget,
  tflite: tfliteTarget,
} as const satisfies Record<string, Target>;
