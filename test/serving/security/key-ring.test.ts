import { expect, it } from '@jest/globals';
import { newApiKey } from '../../../serving/contract/index.ts';
import { KeyRing } from '../../../serving/security/key-ring.ts';

const { key, entry } = newApiKey('someone');

it.each([
  ['the key itself', key],
  ['half a file', JSON.stringify({ keys: [{ ...entry, key }] }).slice(0, -3)],
  ['the key beside its digest', JSON.stringify({ keys: [{ ...entry, key }] })],
  ['the key in place of its digest', JSON.stringify({ keys: [{ ...entry, sha256: key }] })],
])('refuses %s without telling it', (_what, contents) => {
  const refusal = () => new KeyRing(Buffer.from(contents));
  expect(refusal).toThrow(/^the keys are not/);
  expect(refusal).not.toThrow(key.slice(3, 9));
});
