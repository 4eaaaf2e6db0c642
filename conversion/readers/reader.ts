import type { KerasModel } from '../keras/model.ts';
import type { ModelProto } from '../onnx/index.ts';
import type { TfliteFile } from '../tflite/read.ts';

/** A source that is ONNX already. */
export interface OnnxSource {
  readonly kind: 'onnx';
  readonly model: ModelProto;
}

/** A .tflite file: for `inspect` and `verify` only. */
export interface TfliteSource {
  readonly kind: 'tflite';
  readonly file: TfliteFile;
}

export type SourceModel = KerasModel | OnnxSource | TfliteSource;

/** A source format: a file in readers/ and a row in readers/index.ts. */
export interface Reader {
  /** File name endings, lower case. */
  readonly extensions: readonly string[];
  /** Where the source is a folder: the file that tells. */
  readonly folderWith?: string;
  /** Whether a file's first 64 bytes are this format's. */
  matches(head: Uint8Array): boolean;
  /** Every file of the source, the given one first: their bytes are its identity. */
  files(path: string): Promise<readonly string[]>;
  /** @throws ConversionError CONVERSION_SOURCE_CORRUPT, CONVERSION_UNSUPPORTED */
  read(path: string): Promise<{ dialect: string; model: SourceModel }>;
}
