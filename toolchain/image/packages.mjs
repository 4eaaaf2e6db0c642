// `TARGETARCH=amd64 node packages.mjs <folder> [cuda12]`: installs the lockfile of <folder> for linux on amd64 or arm64, whatever machine
// this is, with the CUDA libraries of onnxruntime-node where they are asked for, then deletes what a server does not read.
import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

const [folder, cuda] = process.argv.slice(2);
const { TARGETARCH } = process.env;
const cpu = { amd64: 'x64', arm64: 'arm64' }[TARGETARCH];
if (cpu === undefined)
  throw new Error(`TARGETARCH is ${TARGETARCH}: onnxruntime-node runs on amd64 and arm64`);
const npm = join(dirname(process.execPath), '../lib/node_modules/npm/bin/npm-cli.js');
const modules = join(folder, 'node_modules');

function run(cwd, ...args) {
  const { status } = spawnSync(process.execPath, args, { cwd, stdio: 'inherit' });
  if (status !== 0) process.exit(1);
}
run(
  folder,
  npm,
  'ci',
  '--ignore-scripts',
  '--no-audit',
  '--no-fund',
  '--os=linux',
  `--cpu=${cpu}`,
  '--libc=glibc',
);
// Too large for npm: the package's own installer gets them, of its own version, from NuGet.
if (cuda) run(join(modules, 'onnxruntime-node'), 'script/install.js', `--onnxruntime-node-install=${cuda}`);

/** Only for people, compilers, bundlers and debuggers. */
const unread =
  /(\.(map|md|markdown|d\.[cm]?ts|[cm]?ts|tsx|flow)|\/(\.github|docs?|examples?|tests?|__tests__|benchmarks?|dist-es|dist-types)|@opentelemetry\/[^/]+\/build\/(esm|esnext))$/i;
/** Of a package: what other machines, or the package's own installer, would use. */
const unused = {
  'onnxruntime-node': [
    `bin/napi-v6/(?!linux$)[^/]+`,
    `bin/napi-v6/linux/(?!${cpu}$)[^/]+`,
    'script',
    'lib',
    '.*tensorrt.*',
  ],
  // The embedded database comes with extensions that nobody loads.
  '@electric-sql/pglite': ['dist/.*\\.tar\\.gz', 'dist/.*\\.cjs', 'src', 'dist/(live|vector|worker)(/.*)?'],
  // For browsers and for modules of ECMAScript: whoever needs them here requires them.
  luxon: ['build/(?!node$)[^/]+', 'src'],
  protobufjs: ['dist'],
  zod: ['src', 'v3', 'v4/locales/.*\\.cjs'],
  // Node reads the CommonJS half of OpenTelemetry's packages, and these are its names alone.
  '@opentelemetry/semantic-conventions': ['dist/.*\\.mjs', 'dist/index-incubating.*'],
};

function prune(path, rules) {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const child = join(path, entry.name);
    if (rules(child)) rmSync(child, { recursive: true });
    else if (entry.isDirectory()) prune(child, rules);
  }
}
prune(modules, (path) => unread.test(path));
for (const [name, patterns] of Object.entries(unused)) {
  const root = join(modules, name);
  const pattern = new RegExp(`^(${patterns.join('|')})$`);
  prune(root, (path) => pattern.test(path.slice(root.length + 1)));
}
for (const installer of ['adm-zip', 'global-agent', '.bin', '.package-lock.json'])
  rmSync(join(modules, installer), { recursive: true, force: true });
