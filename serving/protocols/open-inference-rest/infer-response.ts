import type { Inference } from '../../dataplane.ts';
import type { TensorValue } from '../../engine/tensor.ts';
import { openInferenceNames } from '../../wire/open-inference.ts';
import type { NonFinitePolicy } from '../../wire/policy.ts';
import { rawFromTensor } from '../../wire/raw.ts';
import { tensorText } from '../../wire/writer.ts';
import { type InferRequest, jsonLengthHeader } from './infer-request.ts';

export interface InferAnswer {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

/** The answer in JSON, and behind it the outputs that are wanted in binary, in the order of the JSON. */
export function writeInferResponse(
  { servable }: Inference,
  request: InferRequest,
  outputs: readonly TensorValue[],
  policy: NonFinitePolicy,
): InferAnswer {
  const binary: Uint8Array[] = [];
  const texts = outputs.map((output, index) => {
    const head = `{"name":${JSON.stringify(output.name)},"datatype":"${openInferenceNames[output.dtype]}","shape":[${output.shape}]`;
    if (!(request.outputs?.[index]?.binary ?? request.binaryByDefault)) {
      return `${head},"data":${tensorText({ ...output, shape: [output.data.length] }, policy)}}`;
    }
    const bytes = rawFromTensor(output);
    binary.push(bytes);
    return `${head},"parameters":{"binary_data_size":${bytes.length}}}`;
  });
  const id = request.id === undefined ? '' : `"id":${JSON.stringify(request.id)},`;
  const json = `{${id}"model_name":${JSON.stringify(servable.model)},"model_version":"${servable.version}","outputs":[${texts.join(',')}]}`;
  if (binary.length === 0) return { headers: { 'content-type': 'application/json' }, body: json };
  const head = Buffer.from(json);
  return {
    headers: { 'content-type': 'application/octet-stream', [jsonLengthHeader]: String(head.length) },
    body: Buffer.concat([head, ...binary]),
  };
}
