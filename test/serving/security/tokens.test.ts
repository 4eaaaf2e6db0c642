import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, jest } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { TokenVerifier } from '../../../serving/security/tokens.ts';

const minuteMs = 60_000;

it('an issuer that is away for some time refuses nobody whose key is known', async () => {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k' }] });
  const issuer = createServer((_request, response) => response.end(jwks)).listen(0, '127.0.0.1');
  await new Promise((resolve) => issuer.once('listening', resolve));
  const url = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`;
  const verifier = new TokenVerifier({ issuer: url, audience: 'us', jwksUri: `${url}/keys` });
  const find = async (subject: string) =>
    verifier.find(
      await new SignJWT({ scope: '*:*' })
        .setProtectedHeader({ alg: 'ES256', kid: 'k' })
        .setIssuer(url)
        .setAudience('us')
        .setSubject(subject)
        .setExpirationTime('1d')
        .sign(privateKey),
    );
  expect((await find('first'))?.id).toBe('jwt:first');
  issuer.close();
  issuer.closeAllConnections();
  const now = Date.now();
  const clock = jest.spyOn(Date, 'now');
  clock.mockReturnValue(now + 30 * minuteMs);
  expect((await find('second'))?.id).toBe('jwt:second');
  // A key that was taken back must not count for ever.
  clock.mockReturnValue(now + 61 * minuteMs);
  await expect(find('third')).rejects.toThrow();
  clock.mockRestore();
});
