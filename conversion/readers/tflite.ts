import { readFile } from 'node:fs/promises';
import { fileIdentifier } from '../tflite/schema/model.ts';
import type { Reader } from './reader.ts';

/** A .tflite file, to look into and to check; it is nothing that another format is made from. */
export const tflite: Reader = {
  extensions: ['.tflite'],
  matches: (head) => new TextDecoder().decode(head.subarray(4, 8)) === fileIdentifier,
  files: async (path) => [path],
  async read(path) {
    const { readTflite } = await import('../tflite/read.ts');
    const file = readTflite(await readFile(path), path);
    return { dialect: file.description || 'tflite', model: { kind: 'tflite', file } };
  },
};
