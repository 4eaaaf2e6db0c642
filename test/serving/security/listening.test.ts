import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ServingSettings } from '../../../serving/contract/index.ts';
import { ServingError } from '../../../serving/errors.ts';
import { assertLocalCaller, assertSameOrigin } from '../../../serving/security/loopback.ts';
import { assertSafeToListen } from '../../../serving/security/safe-to-listen.ts';
import { scaledSum } from '../support/models.ts';
import { ask } from '../support/requests.ts';
import { startServer, type TestServer } from '../support/server.ts';

const settings = (further: object) =>
  ServingSettings.parse({ modelRoot: '/models', stateDir: '/state', ...further });
const codeOf = (work: () => void): string => {
  try {
    work();
  } catch (error) {
    return (error as ServingError).code;
  }
  return 'allowed';
};

describe('listening beyond loopback', () => {
  const everywhere = { rest: { host: '0.0.0.0' } };

  it.each([
    ['loopback', {}, {}, 'allowed'],
    ['another loopback address', { rest: { host: '127.1.2.3' }, grpc: { host: '::1' } }, {}, 'allowed'],
    ['REST everywhere', everywhere, {}, 'SERVING_NOT_SAFE'],
    ['gRPC everywhere', { grpc: { host: '::' } }, {}, 'SERVING_NOT_SAFE'],
    ['a name that is not loopback', { rest: { host: '127.evil.example' } }, {}, 'SERVING_NOT_SAFE'],
    ['everywhere with keys', { ...everywhere, keysFile: '/keys.json' }, {}, 'allowed'],
    ['everywhere with the exception by name', everywhere, { MODELMILE_AUTH: 'none' }, 'allowed'],
    ['everywhere with another word in it', everywhere, { MODELMILE_AUTH: 'off' }, 'SERVING_NOT_SAFE'],
    [
      'everywhere with tokens',
      { ...everywhere, jwt: { issuer: 'https://issuer.example', audience: 'a' } },
      {},
      'allowed',
    ],
    [
      'TLS without client certificates',
      { ...everywhere, tls: { certFile: 'c', keyFile: 'k' } },
      {},
      'SERVING_NOT_SAFE',
    ],
  ])('%s', (_what, further, env, expected) => {
    expect(codeOf(() => assertSafeToListen(settings(further), env as NodeJS.ProcessEnv))).toBe(expected);
  });

  it('says both ways out', () => {
    expect(() => assertSafeToListen(settings(everywhere), {})).toThrow(ServingError);
    const error = new ServingError('SERVING_NOT_SAFE', 'x').describe();
    expect(error).toContain('keysFile');
    expect(error).toContain('MODELMILE_AUTH=none');
    expect(error).toContain('-p 127.0.0.1:8501:8501');
  });
});

describe('the rules of loopback', () => {
  it.each([
    [{ host: 'localhost:8501' }, 'allowed'],
    [{ host: '127.0.0.1' }, 'allowed'],
    [{ host: '[::1]:8501' }, 'allowed'],
    [{ host: 'LOCALHOST' }, 'allowed'],
    [{}, 'allowed'],
    [{ host: 'rebind.example:8501' }, 'SERVING_FOREIGN_HOST'],
    [{ host: '127.0.0.1.evil.example' }, 'SERVING_FOREIGN_HOST'],
    [{ host: 'localhost', origin: 'http://localhost:8501' }, 'allowed'],
    [{ host: 'localhost', origin: 'https://evil.example' }, 'SERVING_FOREIGN_HOST'],
    [{ host: 'localhost', origin: 'null' }, 'SERVING_FOREIGN_HOST'],
    [{ host: 'localhost', origin: 'http://localhost.evil.example' }, 'SERVING_FOREIGN_HOST'],
  ])('%j is %s', (place, expected) => {
    expect(codeOf(() => assertLocalCaller(place))).toBe(expected);
  });

  it.each([
    [{ host: 'models.example' }, 'allowed'],
    [{ host: 'models.example', origin: 'https://models.example' }, 'allowed'],
    [{ host: 'models.example:8501', origin: 'https://models.example:8501' }, 'allowed'],
    [{ host: 'models.example', origin: 'https://evil.example' }, 'SERVING_FOREIGN_HOST'],
    [{ host: 'models.example', origin: 'null' }, 'SERVING_FOREIGN_HOST'],
  ])('with a password, a page at %j is %s', (place, expected) => {
    expect(codeOf(() => assertSameOrigin(place))).toBe(expected);
  });
});

describe('a server without authentication', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ sums: { 1: scaledSum(2) } });
  });
  afterAll(() => server.stop());

  it('refuses a page of somebody else', async () => {
    const url = `${server.rest}/v1/models/sums:predict`;
    const from = (origin: string) => ask(url, { instances: [[1, 2]] }, { headers: { origin } });
    expect((await from('https://evil.example')).status).toBe(403);
    expect((await from(server.rest)).status).toBe(200);
  });

  it('says nothing that a browser could misread, and nothing that is kept', async () => {
    const { headers } = await ask(`${server.rest}/v1/models/sums`);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('x-powered-by')).toBeNull();
    const page = await ask(`${server.rest}/console`);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
  });
});
