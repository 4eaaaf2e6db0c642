import { expect, it } from '@jest/globals';
import { certificateName } from '../../../serving/security/access.ts';

const nameOf = (subjectaltname: string) =>
  certificateName({ getPeerCertificate: () => ({ subject: {}, subjectaltname }) });

it('workloads whose other names begin alike are two callers, however many names they have', () => {
  const zone = Array.from({ length: 20 }, (_, n) => `DNS:zone${n}.models.example`).join(', ');
  const names = ['one', 'two'].map(
    (workload) => nameOf(`${zone}, URI:spiffe://example/${workload}`) as string,
  );
  expect(new Set(names).size).toBe(2);
  expect(names.map((name) => [name.length, name.startsWith('DNS:zone0.')])).toEqual([
    [256, true],
    [256, true],
  ]);
  // A request that is handed on says who sent it by this name.
  const again = names.map((CN) => certificateName({ getPeerCertificate: () => ({ subject: { CN } }) }));
  expect(again).toEqual(names);
});

it('names that are short are what the certificate says', () => {
  expect(nameOf('URI:spiffe://example/one')).toBe('URI:spiffe://example/one');
});
