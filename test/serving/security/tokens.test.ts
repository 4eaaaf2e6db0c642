import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { TokenRefused, TokenVerifier } from '../../../serving/security/tokens.ts';

const minuteMs = 60_000;

let answer: RequestListener;
let asked = 0;
let verifier: TokenVerifier;
let find: (
  subject: string,
  further?: { kid?: string; notBefore?: string; expires?: string; audience?: string },
) => Promise<string>;
const issuer = createServer((request, response) => {
  asked += 1;
  answer(request, response);
});

beforeEach(async () => {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k' }] });
  answer = (_request, response) => response.end(jwks);
  asked = 0;
  issuer.listen(0, '127.0.0.1');
  await new Promise((resolve) => issuer.once('listening', resolve));
  const url = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`;
  verifier = new TokenVerifier({ issuer: url, audience: 'us', jwksUri: `${url}/keys` });
  find = async (subject, { kid = 'k', notBefore = '0s', expires = '1d', audience = 'us' } = {}) => {
    const token = new SignJWT({ scope: '*:*' })
      .setProtectedHeader({ alg: 'ES256', kid })
      .setIssuer(url)
      .setAudience(audience)
      .setSubject(subject)
      .setNotBefore(notBefore)
      .setExpirationTime(expires);
    return (await verifier.find(await token.sign(privateKey))).id;
  };
});
function close(): void {
  issuer.close();
  issuer.closeAllConnections();
}
afterEach(() => {
  close();
  jest.restoreAllMocks();
});

it('an issuer that is away for some time refuses nobody whose key is known', async () => {
  expect(await find('first')).toBe('jwt:first');
  close();
  const now = Date.now();
  const clock = jest.spyOn(Date, 'now');
  clock.mockReturnValue(now + 30 * minuteMs);
  expect(await find('second')).toBe('jwt:second');
  // A key that was taken back must not count for ever.
  clock.mockReturnValue(now + 61 * minuteMs);
  await expect(find('third')).rejects.toThrow();
});

it('an issuer that does not answer is asked once a second, however many tokens of unknown keys come', async () => {
  expect(await find('first')).toBe('jwt:first');
  answer = (_request, response) => response.writeHead(502).end();
  const now = Date.now();
  const clock = jest.spyOn(Date, 'now').mockReturnValue(now + minuteMs);
  const before = asked;
  const faults = new Set<unknown>();
  for (let n = 0; n < 20; n++) await find('eve', { kid: `unknown${n}` }).catch((error) => faults.add(error));
  expect(asked - before).toBe(1);
  // The same for all, so that it is logged once.
  expect(faults.size).toBe(1);
  expect(await find('second')).toBe('jwt:second');
  clock.mockReturnValue(now + minuteMs + 1_001);
  await expect(find('eve', { kid: 'another' })).rejects.toThrow(/the status is 502/);
  expect(asked - before).toBe(2);
});

it.each(['{"error":"maintenance"}', '<html>Back soon</html>'])(
  'what is no set of keys (%s) is the fault of the issuer, which is asked for it once a second',
  async (text) => {
    answer = (_request, response) => response.end(text);
    const now = Date.now();
    const clock = jest.spyOn(Date, 'now').mockReturnValue(now);
    const faults = new Set<unknown>();
    for (let n = 0; n < 20; n++) await find('first').catch((error) => faults.add(error));
    expect([asked, faults.size]).toEqual([1, 1]);
    clock.mockReturnValue(now + 1_001);
    await expect(find('first')).rejects.toThrow(/its keys cannot be read/);
    expect(asked).toBe(2);
  },
);

it('the clock of an issuer may be ahead of ours, but a token that expired is not valid', async () => {
  expect(await find('early', { notBefore: '20s' })).toBe('jwt:early');
  await expect(find('too early', { notBefore: '2m' })).rejects.toThrow(TokenRefused);
  await expect(find('late', { expires: '-1s' })).rejects.toThrow(TokenRefused);
});

it.each([
  ['is over', { expires: '-1s' }, 'it has expired'],
  ['is long over', { expires: '-1h' }, 'it has expired'],
  ['is for later', { notBefore: '2m' }, 'its claim nbf is not what this server asks for'],
  ['is for another service', { audience: 'them' }, 'its claim aud is not what this server asks for'],
  ['is by a key that the issuer does not have', { kid: 'other' }, 'the issuer has no such key'],
])('a token that %s is refused with the reason, for its sender to mend', async (_what, further, reason) => {
  await expect(find('first', further)).rejects.toEqual(new TokenRefused(reason));
});

it('a token that somebody else made is refused, whatever its claims say', async () => {
  const { privateKey } = await generateKeyPair('ES256');
  const token = await new SignJWT({ aud: 'them' })
    .setProtectedHeader({ alg: 'ES256', kid: 'k' })
    .sign(privateKey);
  await expect(verifier.find(token)).rejects.toEqual(
    new TokenRefused('its signature is not by a key of the issuer'),
  );
});
