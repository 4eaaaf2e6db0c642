import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../pulumi-environment.mjs';

export const programs = ['etcd', 'kube-apiserver', 'kube-controller-manager'];

/** Where `install.mjs` puts them: other modules, another folder. */
export function clusterFolder(env = process.env) {
  const modules = ['go.mod', 'go.sum', 'main.go'].map((file) => readFileSync(new URL(file, import.meta.url)));
  const key = createHash('sha256').update(Buffer.concat(modules)).digest('hex').slice(0, 16);
  return join(cacheFolder(env), 'kubernetes', key);
}
