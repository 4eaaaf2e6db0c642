import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { ServingSettings } from '../../../serving/contract/index.ts';
import type { ServingError } from '../../../serving/errors.ts';
import type { Log } from '../../../serving/log.ts';
import { Access } from '../../../serving/security/access.ts';
import { until } from '../../support/load.ts';

/** An issuer that keeps whoever asks for its keys waiting. */
const waiting: ServerResponse[] = [];
const issuer = createServer((_request, response) => void waiting.push(response));
const { publicKey, privateKey } = await generateKeyPair('ES256');
const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k' }] });
let url: string;
beforeAll(async () => {
  await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`;
});
afterAll(() => {
  issuer.close();
  issuer.closeAllConnections();
});

const token = (subject: string) =>
  new SignJWT({ scope: '*:*' })
    .setProtectedHeader({ alg: 'ES256', kid: 'k' })
    .setIssuer(url)
    .setAudience('us')
    .setSubject(subject)
    .setExpirationTime('1d')
    .sign(privateKey);

/** What is logged as errors, and who asks: each answers with an id or a refusal. */
async function open() {
  const settings = { jwt: { issuer: url, audience: 'us', jwksUri: `${url}/keys` } };
  const error = jest.fn();
  const access = await Access.open(settings as unknown as ServingSettings, { event: () => {} }, {
    error,
  } as unknown as Log);
  const outcomes: string[] = [];
  const ask = (bearer: string, remoteAddress: string) =>
    Promise.resolve(access.callerOf({ authorization: `Bearer ${bearer}` }, { remoteAddress })).then(
      ({ id }) => outcomes.push(id),
      ({ code, message }: ServingError) => outcomes.push(`${code}: ${message}`),
    );
  return { error, ask, outcomes };
}

it('while an issuer keeps the server waiting, no more tokens wait than there is room for', async () => {
  const { ask, outcomes } = await open();
  const [alice, bob] = [await token('alice'), await token('bob')];
  for (let time = 0; time < 1500; time++) void ask(alice, '192.0.2.1');
  void ask(bob, '192.0.2.2');
  await until(() => waiting.length > 0, 'the issuer is asked');
  expect(outcomes).toEqual(Array(500).fill('SERVING_AUTH_UNAVAILABLE: 1000 tokens wait to be checked'));
  for (const response of waiting.splice(0)) response.end(jwks);
  await until(() => outcomes.length === 1501, 'who waited is let in');
  expect(outcomes.slice(500).sort()).toEqual([...Array(1000).fill('jwt:alice'), 'jwt:bob']);
  outcomes.length = 0;
  const carol = await token('carol');
  await Promise.all(Array.from({ length: 900 }, () => ask(carol, '192.0.2.1')));
  expect(outcomes).toEqual(Array(900).fill('jwt:carol'));
});

it('an issuer that does not answer is told of once, however many waited for it', async () => {
  const { error, ask, outcomes } = await open();
  const bearer = await token('alice');
  const asked = Array.from({ length: 100 }, () => ask(bearer, '192.0.2.1'));
  await until(() => waiting.length > 0, 'the issuer is asked');
  for (const response of waiting.splice(0)) response.destroy();
  await Promise.all(asked);
  expect(outcomes).toEqual(
    Array(100).fill('SERVING_AUTH_UNAVAILABLE: The token cannot be checked right now'),
  );
  expect(error).toHaveBeenCalledTimes(1);
});

it('an issuer whose key cannot be used is told of once, however many tokens come one after the other', async () => {
  const { error, ask, outcomes } = await open();
  const bearer = await token('alice');
  const broken = JSON.stringify({ keys: [{ kty: 'EC', crv: 'P-256', kid: 'k', x: 'AA', y: 'AA' }] });
  const first = ask(bearer, '192.0.2.1');
  await until(() => waiting.length > 0, 'the issuer is asked');
  for (const response of waiting.splice(0)) response.end(broken);
  await first;
  for (let time = 0; time < 20; time++) await ask(bearer, '192.0.2.1');
  expect(outcomes).toEqual(Array(21).fill('SERVING_AUTH_UNAVAILABLE: The token cannot be checked right now'));
  expect(error).toHaveBeenCalledTimes(1);
});
