import { AwsClient } from 'aws4fetch';
import { awsCredentials } from '../aws-credentials.ts';
import type { ServingSettings } from '../contract/index.ts';
import { ServingError } from '../errors.ts';
import { versionNumbers } from './folder-store.ts';
import { contentOf, type RemoteContent, type RemoteFiles, wholeOf } from './remote-files.ts';

const maxListBytes = 8 * 1024 * 1024;

/** Texts of an element in the answer to a list; they are URL-encoded there, so that no XML is within. */
const textsOf = (xml: string, element: string): string[] =>
  [...xml.matchAll(new RegExp(`<${element}>([^<]*)</${element}>`, 'g'))].map((found) => found[1] as string);

/** A repository in a bucket of S3, or of a server that speaks its protocol. Requests are signed with whoever this process is. */
export class S3Files implements RemoteFiles {
  readonly #root: string;
  /** Address of the bucket, without a slash at the end. */
  readonly #bucketUrl: string;
  readonly #prefix: string;
  readonly #region: string;

  /** @throws ServingError SERVING_BAD_SETTINGS where the bucket or the region is not known */
  constructor(
    root: string,
    { region = process.env['AWS_REGION'] || undefined, endpoint }: ServingSettings['store'],
  ) {
    const [, bucket, path = ''] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,62})(?:\/(.*))?$/.exec(root) ?? [];
    if (bucket === undefined) {
      throw new ServingError(
        'SERVING_BAD_SETTINGS',
        `modelRoot '${root}' is not of the form s3://bucket/prefix`,
      );
    }
    if (region === undefined) {
      throw new ServingError(
        'SERVING_BAD_SETTINGS',
        `The region of ${root} is not known: set store.region or AWS_REGION`,
      );
    }
    this.#root = root.replace(/\/+$/, '');
    this.#region = region;
    this.#prefix = path.replace(/\/+$/, '') === '' ? '' : `${path.replace(/\/+$/, '')}/`;
    const domain = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
    // A dot in a bucket's name fits no certificate.
    this.#bucketUrl =
      endpoint !== undefined
        ? `${endpoint.replace(/\/+$/, '')}/${bucket}`
        : bucket.includes('.')
          ? `https://s3.${region}.${domain}/${bucket}`
          : `https://${bucket}.s3.${region}.${domain}`;
  }

  async #ask(url: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    const credentials = await awsCredentials();
    const client = new AwsClient({ ...credentials, service: 's3', region: this.#region, retries: 2 });
    return client.fetch(url, { headers, signal, redirect: 'error' });
  }

  /** Names of the folders below a folder. */
  async #folders(below: string): Promise<string[]> {
    const names: string[] = [];
    let token: string | undefined;
    do {
      const query = new URLSearchParams({
        'list-type': '2',
        delimiter: '/',
        'encoding-type': 'url',
        prefix: `${this.#prefix}${below}`,
        ...(token !== undefined && { 'continuation-token': token }),
      });
      const where = `${this.#root}/${below}`;
      const url = `${this.#bucketUrl}/?${query}`;
      const content = await contentOf(where, (signal) => this.#ask(url, {}, signal));
      if (content === undefined) throw new ServingError('SERVING_STORE_UNAVAILABLE', `There is no ${where}`);
      const xml = (await wholeOf(content, where, maxListBytes)).toString('utf8');
      for (const common of xml.match(/<CommonPrefixes>.*?<\/CommonPrefixes>/gs) ?? []) {
        const path = decodeURIComponent((textsOf(common, 'Prefix')[0] ?? '').replaceAll('+', ' '));
        names.push(path.slice(this.#prefix.length + below.length).replace(/\/$/, ''));
      }
      token = textsOf(xml, 'NextContinuationToken')[0]?.replaceAll('&amp;', '&');
    } while (token !== undefined);
    return names;
  }

  async models(): Promise<string[]> {
    const names: string[] = [];
    for (const name of await this.#folders('')) if ((await this.versions(name)).length > 0) names.push(name);
    return names.sort();
  }

  async versions(model: string): Promise<number[]> {
    return versionNumbers(await this.#folders(`${model}/`));
  }

  read(path: string, from = 0): Promise<RemoteContent | undefined> {
    const key = `${this.#prefix}${path}`.split('/').map(encodeURIComponent).join('/');
    const headers: Record<string, string> = from > 0 ? { range: `bytes=${from}-` } : {};
    return contentOf(`${this.#root}/${path}`, (signal) =>
      this.#ask(`${this.#bucketUrl}/${key}`, headers, signal),
    );
  }
}
