import { writeFile } from 'node:fs/promises';
import type { Manifest, Signature, TensorSpec } from '../conversion/manifest/index.ts';
import { exampleRow } from '../serving/example.ts';
import { shellWord } from '../serving/shell-word.ts';

/** Longest body that is shown in a curl line; longer ones are put into a file. */
const inlineLimit = 200;

function nested(spec: TensorSpec, shape: readonly number[]): unknown {
  const [size, ...rest] = shape;
  if (size === undefined) return spec.dtype === 'string' ? 'text' : spec.dtype === 'bool' ? false : 0;
  return Array.from({ length: Math.max(size, 1) }, () => nested(spec, rest));
}

/** A body for `:predict`: pictures and columns where the manifest declares them, else TensorFlow Serving's column form with zeros. */
export function exampleBody(signature: Signature, manifest: Manifest): Record<string, unknown> {
  if (manifest.preprocessing !== undefined) return exampleRow({ signature, manifest });
  const { inputs } = signature;
  return { inputs: Object.fromEntries(inputs.map((spec) => [spec.name, nested(spec, spec.shape)])) };
}

/** A curl line that works when it is pasted; a long body goes into `file`. */
export async function curlLine(
  endpoint: string,
  model: string,
  body: unknown,
  file: string,
): Promise<string> {
  const url = `${endpoint}/v1/models/${model}:predict`;
  const json = JSON.stringify(body);
  const isShort = json.length <= inlineLimit;
  if (!isShort) await writeFile(file, json);
  return `curl -X POST ${url} -H 'content-type: application/json' --data ${shellWord(isShort ? json : `@${file}`)}`;
}

/** `pixels float32 [-1,784]`. */
export const describeTensor = ({ name, dtype, shape }: TensorSpec): string => `${name} ${dtype} [${shape}]`;
