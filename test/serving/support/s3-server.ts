import { createHash, createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type FileServer, filesBelow, serveFiles } from './file-server.ts';

export const s3Keys = { id: 'AKIDTESTTESTTESTTEST', secret: 'a secret/that+only the test knows' };
export const s3Region = 'eu-central-1';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
const encode = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

/**
 * Whether a request is signed with the secret key, worked out here from the specification.
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
function isSigned(request: IncomingMessage, url: URL): boolean {
  const found =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=(\w{64})$/.exec(
      request.headers.authorization ?? '',
    );
  if (found === null) return false;
  const [, id, day, region, names, signature] = found as unknown as string[];
  const at = String(request.headers['x-amz-date']);
  const age = Date.now() - Date.parse(at.replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5'));
  if (id !== s3Keys.id || region !== s3Region || !at.startsWith(day as string) || Math.abs(age) > 900_000)
    return false;
  const headers = (names as string).split(';');
  if (!headers.includes('host') || !headers.includes('x-amz-date')) return false;
  const query = [...url.searchParams]
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&');
  const canonical = [
    request.method,
    decodeURIComponent(url.pathname).split('/').map(encode).join('/'),
    query,
    ...headers.map((name) => `${name}:${String(request.headers[name]).trim()}`),
    '',
    names,
    String(request.headers['x-amz-content-sha256']),
  ].join('\n');
  const scope = `${day}/${region}/s3/aws4_request`;
  const toSign = `AWS4-HMAC-SHA256\n${at}\n${scope}\n${sha256(canonical)}`;
  let key = hmac(`AWS4${s3Keys.secret}`, day as string);
  for (const part of [region as string, 's3', 'aws4_request']) key = hmac(key, part);
  return hmac(key, toSign).toString('hex') === signature;
}

/** Names of a page of a list: one, so that every list has several pages. */
const pageSize = 1;

/** A server of S3's GetObject and ListObjectsV2 that checks signatures; the first folder of a path is the bucket. */
export async function serveS3(folder: string): Promise<FileServer> {
  return serveFiles(folder, (request, url, response) => {
    if (!isSigned(request, url)) {
      response.writeHead(403).end('<Error><Code>SignatureDoesNotMatch</Code></Error>');
      return true;
    }
    if (url.searchParams.get('list-type') !== '2') return false;
    void list(folder, url).then((xml) =>
      response.writeHead(200, { 'content-type': 'application/xml' }).end(xml),
    );
    return true;
  });
}

async function list(folder: string, url: URL): Promise<string> {
  const bucket = url.pathname.split('/')[1] as string;
  const prefix = url.searchParams.get('prefix') ?? '';
  const after = Buffer.from(url.searchParams.get('continuation-token') ?? '', 'base64').toString();
  const keys = (await filesBelow(`${folder}/${bucket}`)).filter((key) => key.startsWith(prefix));
  const common = keys
    .filter((key) => key.slice(prefix.length).includes('/'))
    .map((key) => `${prefix}${key.slice(prefix.length).split('/')[0]}/`);
  const names = [...new Set(common)].sort().filter((name) => name > after);
  const page = names.slice(0, pageSize);
  const next = names.length > pageSize ? Buffer.from(page.at(-1) as string).toString('base64') : undefined;
  return [
    '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult>',
    `<IsTruncated>${next !== undefined}</IsTruncated>`,
    ...(next === undefined ? [] : [`<NextContinuationToken>${next}</NextContinuationToken>`]),
    ...page.map((name) => `<CommonPrefixes><Prefix>${encodeURIComponent(name)}</Prefix></CommonPrefixes>`),
    '</ListBucketResult>',
  ].join('');
}
