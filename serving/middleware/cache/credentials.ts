import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AwsV4Signer } from 'aws4fetch';
import { awsCredentials } from '../../aws-credentials.ts';
import type { ServingSettings } from '../../contract/index.ts';

type CacheAuth = NonNullable<ServingSettings['cache']>['auth'];

export interface CacheCredentials {
  readonly username?: string;
  readonly password: string;
}

/** How long ElastiCache takes a token; it is needed at the start of a connection only. */
const tokenSeconds = 900;

/**
 * A password that says who this process is for AWS: a signed request to connect, without its scheme.
 * @see https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth-iam.html
 */
async function iamToken(user: string, cluster: string, region: string): Promise<string> {
  const url = new URL(`http://${cluster}/`);
  url.searchParams.set('Action', 'connect');
  url.searchParams.set('User', user);
  url.searchParams.set('X-Amz-Expires', String(tokenSeconds));
  const credentials = await awsCredentials();
  const signer = new AwsV4Signer({
    ...credentials,
    url: url.href,
    method: 'GET',
    service: 'elasticache',
    region,
    signQuery: true,
  });
  return (await signer.sign()).url.href.replace(/^http:\/\//, '');
}

/** Read, or signed, for every connection. */
export async function cacheCredentials(auth: CacheAuth): Promise<CacheCredentials> {
  if ('awsIam' in auth) {
    const { user, cluster, region } = auth.awsIam;
    return { username: user, password: await iamToken(user, cluster, region) };
  }
  const read = async (file: string) => (await readFile(join(auth.credentialsDir, file), 'utf8')).trim();
  const username = await read('username').catch(() => '');
  return { ...(username !== '' && { username }), password: await read('password') };
}
