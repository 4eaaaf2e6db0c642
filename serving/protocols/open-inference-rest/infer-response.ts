import type { TensorValue } from '../../engine/tensor.ts';
import type { Inference } from '../../inference.ts';
import { openInferenceNames } from '../../wire/open-inference.ts';
import type { NonFinitePolicy } from '../../wire/policy.ts';
import { rawFromTensor } from '../../wire/raw.ts';
import { tensorText } from '../../wire/writer.ts';
import { remembering } from '../path.ts';
import type { InferHead } from './infer-head.ts';
import { jsonLengthHeader } from './infer-request.ts';

export interface InferAnswer {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

/** A name as JSON; those of models and outputs come again and again. */
const quoted = remembering((name) => JSON.stringify(name));

/** The answer in JSON, and behind it the outputs that are wanted in binary, in the order of the JSON. */
export function writeInferResponse(
  { servable }: Inference,
  request: Omit<InferHead, 'inputs'>,
  outputs: readonly TensorValue[],
  policy: NonFinitePolicy,
): InferAnswer {
  const binary: Uint8Array[] = [];
  let binaryBytes = 0;
  let texts = '';
  for (const [index, output] of outputs.entries()) {
    if (index > 0) texts += ',';
    texts += `{"name":${quoted(output.name)},"datatype":"${openInferenceNames[output.dtype]}","shape":[${output.shape}],`;
    if (request.outputs?.[index]?.binary ?? request.binaryByDefault) {
      const bytes = rawFromTensor(output);
      binary.push(bytes);
      binaryBytes += bytes.length;
      texts += `"parameters":{"binary_data_size":${bytes.length}}}`;
    } else texts += `"data":${tensorText({ ...output, shape: [output.data.length] }, policy)}}`;
  }
  const id = request.id === undefined ? '' : `"id":${JSON.stringify(request.id)},`;
  const json = `{${id}"model_name":${quoted(servable.model)},"model_version":"${servable.version}","outputs":[${texts}]}`;
  if (binary.length === 0) return { headers: { 'content-type': 'application/json' }, body: json };
  const jsonBytes = Buffer.byteLength(json);
  const body = Buffer.allocUnsafe(jsonBytes + binaryBytes);
  let at = body.write(json);
  for (const bytes of binary) {
    body.set(bytes, at);
    at += bytes.length;
  }
  return {
    headers: { 'content-type': 'application/octet-stream', [jsonLengthHeader]: String(jsonBytes) },
    body,
  };
}
