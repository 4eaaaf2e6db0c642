import { tensorText } from '../wire/documents.ts';
import type { Random } from '../wire/numbers.ts';

const below = (random: Random, limit: number) => Math.floor(random() * limit);
const pick = <T>(random: Random, items: readonly T[]): T => items[below(random, items.length)] as T;

/** Paths of every protocol, with models and versions that are there and some that are not. */
const paths = [
  '/v1/models',
  '/v1/models/several',
  '/v1/models/several/metadata',
  '/v1/models/several/versions/1',
  '/v1/models/several/versions/9',
  '/v1/models/several/labels/stable',
  '/v1/models/classifier:predict',
  '/v1/models/classifier:classify',
  '/v1/models/classifier:regress',
  '/v1/models/classifier/versions/1:predict',
  '/v1/models/classifier:feedback',
  '/v1/models/classifier:reload',
  '/v1/models/classifier:submit',
  '/v1/models/types:predict',
  '/v1/models/several:predict',
  '/v1/models/nobody:predict',
  '/v1/models/classifier:constructor',
  '/v1/models/__proto__:predict',
  '/v1/models/classifier/labels/toString:predict',
  '/v2',
  '/v2/health/live',
  '/v2/health/ready',
  '/v2/models',
  '/v2/models/classifier',
  '/v2/models/classifier/ready',
  '/v2/models/classifier/infer',
  '/v2/models/several/infer',
  '/v2/models/types/infer',
  '/v2/models/types/versions/1/infer',
  '/v2/models/stats',
  '/v2/models/classifier/stats',
  '/v2/repository/index',
  '/v2/repository/models/classifier/load',
  '/v2/repository/models/classifier/unload',
  '/v2/models/classifier/constructor',
  '/async/v1/models/classifier:predict',
  '/async/requests/01936d5e-0000-7000-8000-000000000000',
  '/async/requests/01936d5e-0000-7000-8000-000000000000/result',
  '/docs',
  '/docs/classifier',
  '/console',
  '/console/console.js',
  '/',
  '*',
  '/%zz',
  '/v1/models/%00:predict',
  '/v1/models/..%2f..%2fetc:predict',
  '//v1//models',
];

const words = [
  '"instances":',
  '"inputs":',
  '"signature_name":"serving_default"',
  '"signature_name":3',
  '"name":"x"',
  '"name":"in_float16"',
  '"shape":[1,4]',
  '"shape":[-1,4]',
  '"shape":[1e9,1e9]',
  '"datatype":"FP32"',
  '"datatype":"BYTES"',
  '"datatype":"FP16"',
  '"data":',
  '"parameters":{"binary_data_size":16}',
  '"parameters":{"binary_data_output":true}',
  '"outputs":[{"name":"scores"}]',
  '"outputs":[{"name":"scores"},{"name":"scores"}]',
  '"outputs":[{"name":"constructor"}]',
  '"shape":[1e9,0]',
  '"examples":[{"x":[1,2,3,4]}]',
  '"b64":"AAAA"',
  '"predictionId":"0",',
  '"label":3',
  '"__proto__":{"x":1}',
  '"id":"\ud83d"',
  '[1,2,3,4]',
  '[[1,2,3,4]]',
  '{',
  '}',
  '[',
  ']',
  ',',
  'NaN',
  '-Infinity',
  '1e400',
  'null',
  '"',
  '\\u0000',
  '\u2028',
  '18446744073709551616',
];

const bodies = [
  '{"instances":[[1,2,3,4]]}',
  '{"inputs":[[1,2,3,4]]}',
  '{"inputs":[{"data":[1,2,3,4]}]}',
  '{"examples":[{"x":[1,2,3,4]}]}',
  '{"inputs":{"a":[[1,2]],"b":[[3,4]],"t":["u"]}}',
  '{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}]}',
  '{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","parameters":{"binary_data_size":16}}]}0123456789abcdef',
  '{"inputs":[{"name":"a","shape":[1,2],"datatype":"FP32","data":[1,2]},{"name":"b","shape":[1,2],"datatype":"INT64","data":[1,2]},{"name":"t","shape":[1],"datatype":"BYTES","data":["u"]}]}',
  '{"predictionId":"01936d5e-0000-7000-8000-000000000000","label":3}',
];

const headers = [
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: identity',
  'Content-Length: 5',
  'Content-Length: -1',
  'Content-Length: 99999999999999999999',
  'Content-Encoding: gzip',
  'Content-Encoding: br',
  'Expect: 100-continue',
  'Expect: 200-ok',
  'Upgrade: h2c',
  'Connection: upgrade',
  'Connection: close',
  'Host: evil.example',
  'Origin: https://evil.example',
  'Authorization: Bearer x',
  'Authorization: Basic !!!',
  'Inference-Header-Content-Length: 90',
  'Inference-Header-Content-Length: -1',
  'Inference-Header-Content-Length: 0',
  'X-Request-Id: a b',
  'X-Request-Id: \u00ff',
  'Accept-Encoding: gzip',
  'Content-Type: application/octet-stream',
  'X-Folded: a\r\n b',
  ' leading: space',
  'no-colon',
  `X-Long: ${'a'.repeat(5000)}`,
  'Cookie: a=b',
];

/** A few edits of bytes: flipped, cut out, put in, doubled. */
export function edited(random: Random, bytes: Buffer, edits: number): Buffer {
  let result = bytes;
  for (let edit = 0; edit < edits; edit++) {
    const at = below(random, result.length + 1);
    const to = Math.min(result.length, at + 1 + below(random, 8));
    const kind = below(random, 4);
    const inserted =
      kind === 0
        ? Buffer.from([below(random, 256)])
        : kind === 1
          ? Buffer.alloc(0)
          : kind === 2
            ? Buffer.from(pick(random, words))
            : Buffer.concat([result.subarray(at, to), result.subarray(at, to)]);
    result = Buffer.concat([result.subarray(0, at), inserted, result.subarray(kind === 2 ? at : to)]);
  }
  return result;
}

/** A request that is right, nearly right, or no HTTP at all. */
export function httpRequest(random: Random): Buffer {
  let body: Buffer = Buffer.from(pick(random, bodies));
  const choice = random();
  if (choice < 0.3) body = edited(random, body, 1 + below(random, 4));
  else if (choice < 0.5)
    body = Buffer.from(`{"${random() < 0.5 ? 'instances' : 'inputs'}":${tensorText(random)}}`);
  const method =
    random() < 0.75 ? 'POST' : pick(random, ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']);
  const lines = [`${method} ${pick(random, paths)} HTTP/1.${random() < 0.97 ? 1 : 0}`];
  lines.push(random() < 0.98 ? 'Host: localhost' : pick(random, headers));
  lines.push(`Content-Length: ${body.length + (random() < 0.97 ? 0 : below(random, 9) - 4)}`);
  for (let extra = random() < 0.3 ? 1 + below(random, 2) : 0; extra > 0; extra--)
    lines.push(pick(random, headers));
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  const whole = Buffer.concat([random() < 0.1 ? edited(random, head, 1 + below(random, 3)) : head, body]);
  return random() < 0.03 ? whole.subarray(0, below(random, whole.length)) : whole;
}
