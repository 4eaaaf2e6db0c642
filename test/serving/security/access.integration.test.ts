import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { connect } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { type ApiKey, newApiKey } from '../../../serving/contract/index.ts';
import { GRPCInferenceService } from '../../../serving/protocols/open-inference-grpc/generated/open_inference_pb.js';
import { PredictionService } from '../../../serving/protocols/tensorflow-grpc/generated/tensorflow_serving_pb.js';
import { until } from '../../support/load.ts';
import { GrpcClient } from '../support/grpc-client.ts';
import { classifier, scaledSum } from '../support/models.ts';
import { ask } from '../support/requests.ts';
import { startServer, type TestServer } from '../support/server.ts';

const audience = 'modelmile';
const body = { instances: [[1, 2, 3, 4]] };

/** An OpenID Connect issuer on loopback. */
class Issuer {
  readonly #server: Server;
  readonly #key: CryptoKey;
  readonly publicJwk: object;

  private constructor(server: Server, key: CryptoKey, publicJwk: object) {
    this.#server = server;
    this.#key = key;
    this.publicJwk = publicJwk;
  }

  static async start(): Promise<Issuer> {
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256' };
    const server = createServer((request, response) => {
      const { port } = server.address() as AddressInfo;
      const documents: Record<string, unknown> = {
        '/.well-known/openid-configuration': { jwks_uri: `http://127.0.0.1:${port}/jwks` },
        '/jwks': { keys: [jwk] },
      };
      response.end(JSON.stringify(documents[request.url ?? ''] ?? {}));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Issuer(server, privateKey as CryptoKey, jwk);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  token(
    scope: string,
    further: { audience?: string; expires?: string; key?: CryptoKey; subject?: unknown } = {},
  ): Promise<string> {
    const { subject = 'alice' } = further;
    return new SignJWT({ scope, sub: subject as string })
      .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
      .setIssuer(this.url)
      .setAudience(further.audience ?? audience)
      .setExpirationTime(further.expires ?? '5m')
      .sign(further.key ?? this.#key);
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

describe('a server with keys and an issuer of tokens', () => {
  let folder: string;
  let issuer: Issuer;
  let server: TestServer;
  const keys: Record<string, { key: string; entry: ApiKey }> = {
    all: newApiKey('all'),
    reader: newApiKey('reader', { scopes: ['read:*'] }),
    one: newApiKey('one', { scopes: ['predict:colours'] }),
    slow: newApiKey('slow', { requestsPerSecond: 1 }),
    daily: newApiKey('daily', { requestsPerDay: 3 }),
    limited: newApiKey('limited', { requestsPerSecond: 1 }),
    old: newApiKey('old', { expiresAtMs: Date.now() - 1 }),
  };
  const path = (model: string) => `${server.rest}/v1/models/${model}`;
  const keysFile = () => join(folder, 'keys.json');
  const withKey = (name: string) => ({ headers: { authorization: `Bearer ${keys[name]?.key}` } });
  const save = (names: readonly string[]) =>
    writeFile(keysFile(), JSON.stringify({ keys: names.map((name) => keys[name]?.entry) }));

  // Each worker reads the file itself, and one answer is one worker's: only what all say counts.
  const status = async (name: string) => {
    const answers = await Promise.all(
      Array.from({ length: 16 }, () => ask(path('colours'), undefined, withKey(name))),
    );
    const said = new Set(answers.map((answer) => answer.status));
    return said.size === 1 ? [...said][0] : undefined;
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'modelmile-keys-'));
    issuer = await Issuer.start();
    await save(Object.keys(keys));
    server = await startServer(
      { colours: { 1: classifier }, sums: { 1: scaledSum(2) } },
      { keysFile: keysFile(), jwt: { issuer: issuer.url, audience }, workers: 2, logLevel: 'info' },
    );
  });
  afterAll(async () => {
    await server.stop();
    issuer.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('answers who has a key', async () => {
    expect((await ask(`${path('colours')}:predict`, body, withKey('all'))).status).toBe(200);
  });

  it.each([
    ['says nothing', {}],
    ['has a key that nobody has', { authorization: 'Bearer mm_guess' }],
    ['has a key that has expired', { authorization: `Bearer ${keys['old']?.key}` }],
    ['shows the digest instead of the key', { authorization: `Bearer ${keys['all']?.entry.sha256}` }],
    ['has a scheme of its own', { authorization: 'Digest x' }],
  ])('answers 401 to a caller who %s', async (_what, headers) => {
    const answer = await ask(`${path('colours')}:predict`, body, {
      headers: headers as Record<string, string>,
    });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toContain('Bearer');
    expect(answer.json.error).toContain('Authorization: Bearer <key>');
  });

  it('lets a key do what its scopes say and no more: 403, whatever the protocol', async () => {
    expect((await ask(path('colours'), undefined, withKey('reader'))).status).toBe(200);
    expect((await ask(`${path('colours')}:predict`, body, withKey('reader'))).status).toBe(403);
    expect((await ask(`${path('colours')}:predict`, body, withKey('one'))).status).toBe(200);
    expect((await ask(`${path('colours')}/metadata`, undefined, withKey('one'))).status).toBe(200);
    expect((await ask(path('sums'), undefined, withKey('one'))).status).toBe(403);
    expect((await ask(`${path('sums')}:predict`, body, withKey('one'))).status).toBe(403);
    expect((await ask(`${server.rest}/v2/models/sums/infer`, { inputs: [] }, withKey('one'))).status).toBe(
      403,
    );
    const feedback = { predictionId: '01890000-0000-7000-8000-000000000000', label: 1 };
    expect((await ask(`${path('colours')}:feedback`, feedback, withKey('one'))).status).toBe(403);
    expect((await ask(`${server.rest}/v2/repository/models/colours/unload`, {}, withKey('one'))).status).toBe(
      403,
    );
  });

  it('does the same over gRPC, in its own codes', async () => {
    const client = new GrpcClient(PredictionService, server.grpc);
    const inputs = { x: { dtype: 1, tensorShape: { dim: [{ size: 1n }, { size: 4n }] }, floatVal: [1] } };
    const codeOf = (key: string | undefined, model = 'colours') =>
      client.call('predict', { modelSpec: { name: model }, inputs }, key === undefined ? {} : { key }).then(
        () => 0,
        ({ code }: ServiceError) => code,
      );
    expect(await codeOf(undefined)).toBe(16);
    expect(await codeOf('mm_guess')).toBe(16);
    expect(await codeOf(keys['old']?.key)).toBe(16);
    expect(await codeOf(keys['all']?.key)).toBe(0);
    expect(await codeOf(keys['reader']?.key)).toBe(7);
    expect(await codeOf(keys['one']?.key, 'sums')).toBe(7);
    const slow = await Promise.all(Array.from({ length: 12 }, () => codeOf(keys['limited']?.key)));
    expect(slow).toContain(8);
    client.close();
  });

  it('reads no message of a gRPC caller that it does not know', async () => {
    const session = connect(`http://${server.grpc}`);
    const path = `/${PredictionService.typeName}/Predict`;
    const call = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc' });
    // The first bytes of 16 MiB, which never come.
    call.write(Buffer.from([0, 1, 0, 0, 0]));
    const [head] = await once(call, 'response');
    expect(head['grpc-status']).toBe('16');
    session.destroy();
    await until(() => server.log().includes(`"path":"${path}"`), 'the refusal is in the log');
  });

  it('tells a caller only of the models that it may know', async () => {
    const names = async (key: string) => {
      const { json } = await ask(`${server.rest}/v2/repository/index`, {}, withKey(key));
      return json.map(({ name }: { name: string }) => name);
    };
    expect(await names('all')).toEqual(['colours', 'sums']);
    expect(await names('one')).toEqual(['colours']);
  });

  it('limits the rate of a key over all workers: 429 says when to come again', async () => {
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => ask(`${path('colours')}:predict`, body, withKey('slow'))),
    );
    const allowed = answers.filter(({ status }) => status === 200).length;
    // One at once, and one more for each second that twelve requests take on a slow machine.
    expect(allowed).toBeGreaterThanOrEqual(1);
    expect(allowed).toBeLessThan(12);
    const refused = answers.find(({ status }) => status === 429);
    expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    await until(
      async () => (await ask(`${path('colours')}:predict`, body, withKey('slow'))).status === 200,
      'the key may ask again',
    );
  });

  it('limits the requests of a day', async () => {
    const statuses: number[] = [];
    for (let i = 0; i < 5; i++)
      statuses.push((await ask(path('colours'), undefined, withKey('daily'))).status);
    expect(statuses).toEqual([200, 200, 200, 429, 429]);
  });

  it('takes a token of the issuer for what its scope says', async () => {
    const bearer = async (token: Promise<string>) => ({
      headers: { authorization: `Bearer ${await token}` },
    });
    const predict = (options: object) => ask(`${path('colours')}:predict`, body, options);
    expect((await predict(await bearer(issuer.token('openid predict:colours')))).status).toBe(200);
    expect((await predict(await bearer(issuer.token('openid predict:sums')))).status).toBe(403);
    expect((await predict(await bearer(issuer.token('openid')))).status).toBe(403);
    expect((await predict(await bearer(issuer.token('*:*', { audience: 'others' })))).status).toBe(401);
    expect((await predict(await bearer(issuer.token('*:*', { expires: '-1s' })))).status).toBe(401);
    for (const subject of [null, '', 7, ['alice'], 'a'.repeat(256)])
      expect([subject, (await predict(await bearer(issuer.token('*:*', { subject })))).status]).toEqual([
        subject,
        401,
      ]);
    const foreign = (await generateKeyPair('ES256')).privateKey as CryptoKey;
    expect((await predict(await bearer(issuer.token('*:*', { key: foreign })))).status).toBe(401);
    // The public key as if it were a shared secret, and headers that name a key of the caller's own.
    const asSecret = new TextEncoder().encode(JSON.stringify(issuer.publicJwk));
    const own = await generateKeyPair('ES256');
    const ownJwk = await exportJWK(own.publicKey);
    const forged: [object, CryptoKey | Uint8Array][] = [
      [{ alg: 'HS256', kid: 'k1' }, asSecret],
      [{ alg: 'ES256', kid: 'k1', jwk: ownJwk }, own.privateKey as CryptoKey],
      [{ alg: 'ES256', kid: '../../k1', jku: `${issuer.url}/jwks` }, own.privateKey as CryptoKey],
      [{ alg: 'ES256' }, own.privateKey as CryptoKey],
    ];
    for (const [header, key] of forged) {
      const token = new SignJWT({ scope: '*:*' })
        .setProtectedHeader(header as { alg: string })
        .setIssuer(issuer.url)
        .setSubject('eve')
        .setAudience(audience)
        .setExpirationTime('5m')
        .sign(key);
      expect([header, (await predict(await bearer(token))).status]).toEqual([header, 401]);
    }
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(
      JSON.stringify({ iss: issuer.url, aud: audience, sub: 'eve', exp: 9e9, scope: '*:*' }),
    ).toString('base64url')}.`;
    expect((await predict({ headers: { authorization: `Bearer ${unsigned}` } })).status).toBe(401);
  });

  it('takes a key as the password that a browser asks for, but not from a page of somebody else', async () => {
    const authorization = `Basic ${Buffer.from(`me:${keys['all']?.key}`).toString('base64')}`;
    const page = await ask(`${server.rest}/console`, undefined, {});
    expect(page.status).toBe(401);
    expect(page.headers.get('www-authenticate')).toContain('Basic');
    const own = await ask(`${path('colours')}:predict`, body, {
      headers: { authorization, origin: server.rest },
    });
    expect(own.status).toBe(200);
    const foreign = await ask(`${path('colours')}:predict`, body, {
      headers: { authorization, origin: 'https://evil.example' },
    });
    expect(foreign.status).toBe(403);
  });

  it('rotates keys while it serves: the new one is taken, the old one no more', async () => {
    keys['next'] = newApiKey('next');
    await save(['next']);
    await until(async () => (await status('next')) === 200, 'the new key is taken');
    await until(async () => (await status('all')) === 401, 'the old key is refused');
    // A file that cannot be used changes nothing.
    await writeFile(keysFile(), '{"keys": [');
    await until(() => server.log().includes('stays in use'), 'the server noticed');
    const entry = keys['next']?.entry;
    await writeFile(keysFile(), JSON.stringify({ keys: [entry, { ...entry, scopes: [] }] }));
    await until(() => server.log().includes('one key stands there twice'), 'the server noticed this too');
    expect(await status('next')).toBe(200);
    await save(Object.keys(keys));
    await until(async () => (await status('all')) === 200, 'the first keys are taken again');
  });

  it('looks at the key of a stream again with each message', async () => {
    keys['streaming'] = newApiKey('streaming');
    const others = Object.keys(keys).filter((name) => name !== 'streaming');
    await save(Object.keys(keys));
    await until(async () => (await status('streaming')) === 200, 'the key is taken');
    const client = new Client(server.grpc, credentials.createInsecure());
    const metadata = new Metadata();
    metadata.set('authorization', `Bearer ${keys['streaming']?.key}`);
    const { typeName, method } = GRPCInferenceService;
    const open = () =>
      client.makeBidiStreamRequest(
        `/${typeName}/ModelStreamInfer`,
        (bytes: Uint8Array) => Buffer.from(bytes),
        (bytes: Buffer) => fromBinary(method.modelStreamInfer.output, bytes),
        metadata,
      );
    let call = open();
    const request = create(method.modelStreamInfer.input, {
      modelName: 'colours',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1n, 4n], contents: { fp32Contents: [1, 2, 3, 4] } }],
    });
    const errorOf = async () => {
      call.write(toBinary(method.modelStreamInfer.input, request));
      const [{ errorMessage }] = await once(call, 'data');
      return errorMessage as string;
    };
    // The worker that has it may know the key a moment later.
    const isTaken = async () => {
      try {
        return (await errorOf()) === '';
      } catch {
        call = open();
        return false;
      }
    };
    await until(isTaken, 'the stream is taken');
    await save(others);
    await until(async () => /Who asks is not known/.test(await errorOf()), 'the key is refused');
    call.end();
    client.close();
    await save(Object.keys(keys));
  });

  it('writes neither a key nor a token nor a payload into its logs, but who asked and who was refused', () => {
    for (const { key } of Object.values(keys)) expect(server.log()).not.toContain(key);
    expect(server.log()).not.toMatch(/eyJ[\w-]+\./);
    expect(server.log()).not.toContain('[[1,2,3,4]]');
    expect(server.log()).toContain('"event":"caller-unknown"');
    expect(server.log()).toMatch(/"event":"caller-refused","caller":"one"/);
    expect(server.log()).toContain('"event":"keys-changed"');
  });
});
