import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { ServingSettings } from '../../../serving/contract/index.ts';

const pem = (key: KeyObject, type: 'spki' | 'pkcs8') => key.export({ type, format: 'pem' }).toString();
const signing = generateKeyPairSync('ed25519');
const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const publicKey = pem(signing.publicKey, 'spki');

/** What is said of settings, `path: why`. */
const faultsOf = (further: object): string[] => {
  const { error } = ServingSettings.safeParse({ modelRoot: '/models', stateDir: '/state', ...further });
  return (error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`);
};

describe('settings of the server', () => {
  it.each([
    ['what is no key', 'garbage'],
    ['a private key, which is nobody else’s', pem(signing.privateKey, 'pkcs8')],
    ['a key of another kind', pem(other.publicKey, 'spki')],
  ])('refuse %s among trustedKeys, before a version is judged by it', (_what, key) => {
    expect(faultsOf({ trustedKeys: [publicKey, key] })).toEqual([
      expect.stringMatching(/^trustedKeys\.1: no Ed25519 public key in PEM/),
    ]);
    expect(faultsOf({ trustedKeys: [publicKey] })).toEqual([]);
  });

  it('refuse a model that is named twice, for only one of the two could be asked', () => {
    const [once, twice] = [
      [{ name: 'm' }, { name: 'n' }],
      [{ name: 'm' }, { name: 'm' }],
    ];
    expect(faultsOf({ models: once })).toEqual([]);
    expect(faultsOf({ models: twice })).toEqual(['models: each model is named once']);
  });

  it('refuse a state folder that depends on where the server is started', () => {
    expect(faultsOf({ stateDir: 'state' })).toEqual(['stateDir: must be an absolute folder']);
  });

  it('say which version policies there are', () => {
    const [fault] = faultsOf({ models: [{ name: 'm', versionPolicy: { lates: 1 } }] });
    expect(fault).toBe('models.0.versionPolicy: one of {"latest": 1}, {"all": true}, {"specific": [1, 2]}');
  });
});
