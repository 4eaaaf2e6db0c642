// `node runtime.mjs <root> <out> [app]`: Node and the shared libraries that it and the native modules below <app> need, out of the root
// of an image for the target machine, into an otherwise empty root: no shell, no package manager, nothing to update but Node.
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { needs, withoutDebugSymbols } from './elf.mjs';

const [root, out, app] = process.argv.slice(2);
const user = 65532;
const inRoot = (path) => join(root, path);

const folders = ['lib', 'usr/lib', 'lib64', 'usr/lib64'].flatMap((folder) => [
  folder,
  ...readdirSync(existsSync(inRoot(folder)) ? inRoot(folder) : root)
    .filter((name) => name.endsWith('-linux-gnu'))
    .map((name) => join(folder, name)),
]);

function find(library) {
  const folder = folders.find((one) => existsSync(inRoot(join(one, library))));
  if (folder === undefined) throw new Error(`${library} is not in the image that Node comes from`);
  return inRoot(join(folder, library));
}

function write(path, bytes, mode = 0o644) {
  const target = join(out, path);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, bytes, { mode });
}

const taken = new Set();
function take(bytes) {
  const { interpreter, libraries } = needs(bytes);
  if (interpreter && !taken.has(interpreter)) {
    taken.add(interpreter);
    write(interpreter, readFileSync(realpathSync(inRoot(interpreter))), 0o755);
  }
  for (const library of libraries) {
    // The loader is where programs name it; libraries of an app lie beside what loads them.
    if (taken.has(library) || library.startsWith('ld-linux') || beside.has(library)) continue;
    taken.add(library);
    const found = readFileSync(find(library));
    write(join('lib', library), found, 0o755);
    take(found);
  }
}

const native = app
  ? readdirSync(app, { recursive: true }).filter((path) => /\.(node|so(\.\d+)*)$/.test(path))
  : [];
const beside = new Set(native.map((path) => basename(path)));
const node = withoutDebugSymbols(readFileSync(inRoot('usr/local/bin/node')));
write('usr/local/bin/node', node, 0o755);
take(node);
for (const path of native) take(readFileSync(join(app, path)));
// Loaded by name when addresses are looked up.
for (const library of ['libnss_dns.so.2', 'libnss_files.so.2', 'libresolv.so.2']) {
  const found = readFileSync(find(library));
  write(join('lib', library), found, 0o755);
  take(found);
}
write(
  'etc/passwd',
  `root:x:0:0:root:/:/sbin/nologin\nmodelmile:x:${user}:${user}:modelmile:/:/sbin/nologin\n`,
);
write('etc/group', `root:x:0:\nmodelmile:x:${user}:\n`);
write('etc/nsswitch.conf', 'hosts: files dns\n');
const authorities = 'etc/ssl/certs/ca-certificates.crt';
if (existsSync(inRoot(authorities))) {
  mkdirSync(join(out, dirname(authorities)), { recursive: true });
  copyFileSync(inRoot(authorities), join(out, authorities));
}
for (const folder of ['tmp', 'models', 'var/lib/modelmile'])
  mkdirSync(join(out, folder), { recursive: true });
// What a tmpfs or a volume is mounted over lends it its mode and its owner.
chmodSync(join(out, 'tmp'), 0o1777);
if (process.getuid() === 0) chownSync(join(out, 'var/lib/modelmile'), user, user);
