import type { Signature } from '../manifest/index.ts';
import type { ModelProto } from '../onnx/index.ts';

/** What a method may look at beside the model. */
export interface MethodContext {
  readonly signature: Signature;
  /** Rows for calibration, one array of float32 per input; undefined where the user gave none. */
  readonly calibration:
    | readonly { readonly shape: readonly number[]; readonly data: Float64Array }[]
    | undefined;
  readonly seed: number;
}

/** One of the source's methods (freeze, quantize, prune): a file in methods/ and a row in methods/index.ts. */
export interface Method {
  /** Exact methods are held to float32 rounding; the others to the budget. */
  readonly exact: boolean;
  readonly summary: string;
  /** @throws ConversionError CONVERSION_UNSUPPORTED_METHOD where the model is not for this method, with what to use instead. */
  apply(model: ModelProto, context: MethodContext): Promise<ModelProto>;
}
