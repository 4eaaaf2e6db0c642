/** What conversion refuses, and what to do then. The message says what and where. */
export const errorTable = {
  CONVERSION_NO_SUCH_FILE: 'Check the path.',
  CONVERSION_UNKNOWN_FORMAT:
    'Readable are: Keras .h5 and .keras, SavedModel of Keras 2, TF.js layers model.json, ONNX (.tflite: inspect and verify). Save the model in one of them.',
  CONVERSION_SOURCE_CORRUPT:
    'The file is damaged or was cut short: copy or save it again, and compare its size.',
  CONVERSION_UNSUPPORTED_LAYER:
    'Run `modelmile inspect` for everything that stands in the way, then replace the layer, or say what it computes: `--custom ./my-layers.ts`, see docs/conversion.md.',
  CONVERSION_UNSUPPORTED: 'Run `modelmile inspect` for everything that stands in the way.',
  CONVERSION_RUNTIME_REFUSED:
    'The file may well be sound. Replace the layer or operation that is named (cast whole numbers to float32 before it, say), or say what it computes: `--custom ./my-layers.ts`, see docs/conversion.md.',
  CONVERSION_ONNX_REFUSED:
    'Either the file is damaged, or it has what this ONNX Runtime does not. Too new an IR version: set `ir_version` of the model to the one that is supported, and save it again (Python: onnx.load, onnx.save). An operation of your own: export the model with operations of ONNX.',
  CONVERSION_UNSUPPORTED_METHOD: 'Choose another --method; `auto` finds the best one that passes the gate.',
  CONVERSION_PARITY_FAILED:
    'The converted model does not answer as the trained one does, so it is not written. Please report it with the model.',
  CONVERSION_GOLDEN_FAILED:
    'Check that the samples are of this very model, with inputs as it takes them and answers as it gives them.',
  CONVERSION_BUDGET_EXCEEDED: 'Choose a gentler method, or allow more with --budget.',
  CONVERSION_BAD_OPTION: 'See `modelmile convert --help`.',
  CONVERSION_BAD_CUSTOM: 'docs/conversion.md shows such a file, with both functions of a layer.',
  CONVERSION_BAD_SAMPLES:
    'Rows are an .npz with x, or an array for each input (and optionally a scalar scale: inputs are x * scale), or JSON lines {"input": [...]}. A labelled set has classes beside them, y or "label": 3; golden rows have what the model answered, y or "output": [...].',
  CONVERSION_BAD_PROCESSING:
    'docs/processing.md has the form of the file, with examples; `modelmile inspect` shows what the model takes and gives.',
  CONVERSION_TOO_LARGE: 'The file declares more than any real model has: it is damaged or made to do harm.',
  CONVERSION_OUT_OF_MEMORY: 'Node 20 holds at most 4 GiB in one piece, newer ones more than a machine has.',
  CONVERSION_NOT_WRITABLE:
    'Check the rights and the free space of the output folder, and of the one for temporary files (TMPDIR).',
} as const satisfies Record<string, string>;

export type ConversionErrorCode = keyof typeof errorTable;

/** A source, option or result that conversion refuses: a sentence and the way out, never a stack trace. */
export class ConversionError extends Error {
  override readonly name = 'ConversionError';
  readonly code: ConversionErrorCode;
  /** What and where, without the way out. */
  readonly what: string;

  constructor(code: ConversionErrorCode, what: string) {
    super(`${what.replace(/[.\s]*$/, '.')} ${errorTable[code]}`);
    this.code = code;
    this.what = what;
  }
}

/**
 * Runs what reads and converts a model that nobody has vouched for: where it stumbles over what no sound model has, the model is told
 * to be damaged.
 * @throws ConversionError
 */
export async function ofSound<T>(path: string, work: () => Promise<T> | T): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ConversionError) throw error;
    throw new ConversionError(
      'CONVERSION_SOURCE_CORRUPT',
      `${path} holds a model that makes no sense (${(error as Error).message})`,
    );
  }
}

const fileFaults: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EISDIR: 'is a folder, not a file',
  EACCES: 'may not be read',
  EPERM: 'may not be read',
};

/** What the file system said of a file that was to be read. */
export function unreadable(path: string, error: NodeJS.ErrnoException): ConversionError {
  const fault = fileFaults[error.code ?? ''] ?? error.message;
  return new ConversionError('CONVERSION_NO_SUCH_FILE', `${path}: ${fault}`);
}
