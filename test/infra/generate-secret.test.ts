import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

const script = readFileSync(
  fileURLToPath(new URL('../../infra/environment/kubernetes/generate-secret.mjs', import.meta.url)),
  'utf8',
);
const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
/** The API server speaks TLS; openssl makes its certificate here. */
const withOpenssl = hasOpenssl ? it : it.skip;

describe('the Job that makes a Secret', () => {
  let folder: string;
  let server: Server;
  let status = 201;
  let requests: { path: string; token: string | undefined; body: Record<string, never> }[] = [];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'modelmile-account-'));
    requests = [];
    if (!hasOpenssl) return;
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'ca.crt')];
    const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '1'];
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-keyout',
        key,
        '-out',
        cert,
        ...subject,
      ],
      { stdio: 'ignore' },
    );
    writeFileSync(join(folder, 'token'), 'the-token');
    writeFileSync(join(folder, 'namespace'), 'modelmile');
    server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, answer) => {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        requests.push({
          path: request.url ?? '',
          token: request.headers.authorization,
          body: JSON.parse(body),
        });
        answer.writeHead(status).end('{}');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterEach(() => {
    server?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Runs it as the pod does. */
  function run(): Promise<{ code: number | null; output: string }> {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      env: {
        SERVICE_ACCOUNT_DIR: folder,
        KUBERNETES_SERVICE_HOST: '127.0.0.1',
        KUBERNETES_SERVICE_PORT: String((server.address() as AddressInfo).port),
        SECRET_SPEC: JSON.stringify({
          name: 'modelmile-keys',
          labels: { a: 'b' },
          random: ['first'],
          // biome-ignore lint/suspicious/noTemplateCurlyInString: the script's own templates
          templates: { 'keys.json': '{"sha256": "${sha256:first}"}', url: 'x://${first}@y' },
        }),
      },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        output += chunk;
      });
    }
    return new Promise((resolve) => child.on('close', (code) => resolve({ code, output })));
  }

  withOpenssl('fills random values and templates in, and tells nobody what they are', async () => {
    status = 201;
    const { code, output } = await run();
    expect({ code, output }).toEqual({ code: 0, output: 'secret modelmile-keys: made\n' });
    const [{ path, token, body }] = requests as unknown as [
      { path: string; token: string; body: { metadata: object; stringData: Record<string, string> } },
    ];
    expect(path).toBe('/api/v1/namespaces/modelmile/secrets');
    expect(token).toBe('Bearer the-token');
    expect(body.metadata).toEqual({ name: 'modelmile-keys', labels: { a: 'b' } });
    const first = body.stringData['first']!;
    expect(Buffer.from(first, 'base64url')).toHaveLength(32);
    expect(body.stringData['url']).toBe(`x://${first}@y`);
    expect(body.stringData['keys.json']).toBe(
      JSON.stringify({ sha256: createHash('sha256').update(first).digest('hex') }).replace(':', ': '),
    );
    expect(output).not.toContain(first);
  });

  withOpenssl('leaves a Secret that is there as it is', async () => {
    status = 409;
    expect(await run()).toEqual({
      code: 0,
      output: 'secret modelmile-keys: is there already, left as it is\n',
    });
  });

  withOpenssl('fails, so that the Job tries again, where the API server refuses', async () => {
    status = 403;
    expect(await run()).toEqual({ code: 1, output: 'secret modelmile-keys: the API server answered 403\n' });
  });
});
