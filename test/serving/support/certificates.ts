import { execFile, spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Tests with certificates count as skipped where there is no openssl to make them. */
export const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
}

/** A self-signed authority; `commonName` tells it from others. */
export async function makeAuthority(folder: string, commonName: string): Promise<Certificate> {
  const [certFile, keyFile] = [join(folder, `${commonName}.crt`), join(folder, `${commonName}.key`)];
  const subject = `/CN=${commonName}`;
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  await run('openssl', [
    'req',
    '-x509',
    ...key,
    '-keyout',
    keyFile,
    '-out',
    certFile,
    '-subj',
    subject,
    '-days',
    '2',
  ]);
  return { certFile, keyFile };
}

/** A certificate for localhost and 127.0.0.1, good for servers and clients; `subject` is '/' where it has no name but these. */
export async function makeCertificate(
  folder: string,
  commonName: string,
  authority: Certificate,
  subject = `/CN=${commonName}`,
): Promise<Certificate> {
  const [certFile, keyFile] = [join(folder, `${commonName}.crt`), join(folder, `${commonName}.key`)];
  const [request, extensions] = [join(folder, `${commonName}.csr`), join(folder, `${commonName}.ext`)];
  await writeFile(extensions, 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  await run('openssl', ['req', ...key, '-keyout', keyFile, '-out', request, '-subj', subject]);
  const from = ['-CA', authority.certFile, '-CAkey', authority.keyFile, '-CAcreateserial'];
  await run('openssl', [
    'x509',
    '-req',
    '-in',
    request,
    '-out',
    certFile,
    '-days',
    '2',
    ...from,
    '-extfile',
    extensions,
  ]);
  return { certFile, keyFile };
}
