import { readFile } from 'node:fs/promises';
import { ConversionError } from '../errors.ts';
import { decodeModel } from '../onnx/index.ts';
import type { Reader } from './reader.ts';

/** ONNX as it is; weights must be in the one file. */
export const onnx: Reader = {
  extensions: ['.onnx'],
  // Field 1 (ir_version) as a varint comes first in every writer that was seen; the extension decides otherwise.
  matches: (head) => head[0] === 0x08,
  files: async (path) => [path],
  async read(path) {
    const model = decodeModel(await readFile(path), path);
    if (model.graph?.initializer.some((tensor) => tensor.externalData.length > 0)) {
      throw new ConversionError(
        'CONVERSION_UNSUPPORTED',
        `${path} keeps weights in external files; save it as one file`,
      );
    }
    return { dialect: 'onnx', model: { kind: 'onnx', model } };
  },
};
