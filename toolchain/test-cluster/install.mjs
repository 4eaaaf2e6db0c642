// `node toolchain/test-cluster/install.mjs`: builds etcd, kube-apiserver and kube-controller-manager of the pinned modules into the cache,
// where the tests of infra look for them. Needs Go; some minutes the first time.
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { clusterFolder, programs } from './location.mjs';

const folder = clusterFolder();
mkdirSync(folder, { recursive: true });
const args = [
  'build',
  '-mod=readonly',
  '-trimpath',
  '-buildvcs=false',
  '-ldflags',
  '-s -w',
  '-o',
  join(folder, 'kubernetes'),
  '.',
];
const { status } = spawnSync('go', args, {
  cwd: fileURLToPath(new URL('.', import.meta.url)),
  stdio: 'inherit',
  env: { ...process.env, CGO_ENABLED: '0' },
});
if (status !== 0) process.exit(1);
for (const name of programs) {
  rmSync(join(folder, name), { force: true });
  symlinkSync('kubernetes', join(folder, name));
}
process.stdout.write(`${programs.join(', ')} are in ${folder}\n`);
