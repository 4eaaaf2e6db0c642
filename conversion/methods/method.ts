import type { Signature } from '../manifest/index.ts';
import type { ModelProto } from '../onnx/index.ts';
import type { SampleRows } from '../verify/sample-rows.ts';

/** What a method may look at beside the model. */
export interface MethodContext {
  readonly signature: Signature;
  /** For calibration. */
  readonly rows: SampleRows;
}

/** One of the ways to quantize: a file in methods/ and a row in methods/index.ts. It gets a model that is frozen already. */
export interface Method {
  /** Exact methods are held to float32 rounding; the others to the budget. */
  readonly exact: boolean;
  /** Whether it learns from the rows. Default false. */
  readonly learns?: boolean;
  readonly summary: string;
  /** @throws ConversionError CONVERSION_UNSUPPORTED_METHOD where the model is not for this method, with what to use instead. */
  apply(model: ModelProto, context: MethodContext): Promise<ModelProto>;
}
