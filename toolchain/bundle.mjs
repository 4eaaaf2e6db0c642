// What runs in this checkout - command, Pulumi program, provider, server - as a few files of plain JavaScript in the cache: compiled module
// by module in every process, their sources cost more than most of what they do. Made from the sources as they are, and again as soon as
// one has changed.
import { createHash } from 'node:crypto';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { checkout, homeFolder } from './pulumi-environment.mjs';
import { writeWhole } from './write-whole.mjs';

/** Packages of many small modules, taken in. All others stay in node_modules, where they find their own files. */
const takenIn = /^(zod|@bufbuild\/protobuf|flatbuffers|fflate|picocolors)(\/|$)/;
/** What is started, and the name of its file in a bundle. */
const entries = {
  'cli/main.ts': 'command',
  'infra/index.ts': 'program',
  'infra/provider/main.ts': 'provider',
  'serving/main.ts': 'server',
  'serving/worker.ts': 'worker',
  'serving/canary-worker.ts': 'canary-worker',
  'serving/middleware/database/embedded-process.ts': 'embedded-process',
  'serving/processing/pictures/thread.ts': 'pictures-thread',
};
/** One file, and no module: what V8 compiles of it can be kept (compiled-script.mjs). */
const command = 'cli/main.ts';
const fileOf = (source) => `${entries[source]}${source === command ? '.cjs' : '.mjs'}`;
/** A command that still runs may load more of an older bundle. */
const keptMs = 24 * 60 * 60 * 1000;
const usedBy = 'used-by-';

/** A source as it was: another time or size, another source. */
const stateOf = (path) => {
  // Not joined: a thousand paths are made neat at every start.
  const found = statSync(`${checkout}/${path}`, { throwIfNoEntry: false });
  return found === undefined ? 'gone' : `${found.mtimeMs} ${found.size}`;
};

const require = createRequire(import.meta.url);

/** `new URL('../worker.ts', import.meta.url)`, and any other `import.meta.url` */
const ownUrl = /new URL\('([^']+)', import\.meta\.url\)|import\.meta\.url/g;

/** The bundle's name of what a source starts as a process or a thread; some have a .mjs that brings a compiler. */
const startedFrom = (source, path) =>
  entries[
    relative(checkout, join(dirname(source), path))
      .replaceAll('\\', '/')
      .replace(/\.mjs$/, '.ts')
  ];

/** Sources keep knowing where they lie, and start what is in the bundle from the bundle. */
const inPlace = {
  name: 'in-place',
  setup(build) {
    const { format } = build.initialOptions;
    build.onResolve({ filter: /^[^./]/ }, ({ path, kind }) => {
      if (kind === 'entry-point' || takenIn.test(path)) return undefined;
      const isRequired = format === 'cjs' && kind !== 'dynamic-import';
      // The cache may lie anywhere; packages are found from here.
      return { path: isRequired ? require.resolve(path) : import.meta.resolve(path), external: true };
    });
    build.onLoad({ filter: /\.(ts|mjs)$/ }, ({ path }) => {
      if (path.includes('node_modules')) return undefined;
      const here = JSON.stringify(pathToFileURL(path).href);
      const contents = readFileSync(path, 'utf8').replaceAll(ownUrl, (found, started) => {
        const name = started && startedFrom(path, started);
        return name ? `new URL('./${name}.mjs', import.meta.url)` : found.replace('import.meta.url', here);
      });
      return { contents, loader: path.endsWith('.ts') ? 'ts' : 'js' };
    });
  },
};

async function build() {
  // The compiler that runs the sources elsewhere, tsx's.
  const { build: bundle } = createRequire(require.resolve('tsx/package.json'))('esbuild');
  const bundleOf = (sources, options) =>
    bundle({
      absWorkingDir: checkout,
      entryPoints: sources.map((source) => ({ in: source, out: entries[source] })),
      bundle: true,
      platform: 'node',
      target: 'node20',
      outdir: 'bundle',
      metafile: true,
      logLevel: 'silent',
      write: false,
      plugins: [inPlace],
      ...options,
    });
  const others = Object.keys(entries).filter((source) => source !== command);
  const made = await Promise.all([
    bundleOf(others, { splitting: true, format: 'esm', outExtension: { '.js': '.mjs' } }),
    bundleOf([command], {
      format: 'cjs',
      outExtension: { '.js': '.cjs' },
      define: { 'import.meta.url': 'ownUrl' },
      banner: { js: '(function (require, exports, module, ownUrl, importModule) {' },
      footer: { js: '})' },
    }),
  ]);
  const [script] = made[1].outputFiles;
  script.contents = Buffer.from(script.text.replaceAll(/\bimport\(/g, 'importModule('));
  // Where packages have their files is in the bundle too.
  const inputs = made.flatMap(({ metafile }) => Object.keys(metafile.inputs));
  return {
    outputFiles: made.flatMap(({ outputFiles }) => outputFiles),
    sources: [...new Set([...inputs, 'toolchain/bundle.mjs', 'package-lock.json'])],
  };
}

/** A server runs for months, and starts workers from its bundle. */
function isUsed(bundle) {
  // Beside the bundles lies what a command that was killed was writing.
  const names = statSync(bundle).isDirectory() ? readdirSync(bundle) : [];
  const pids = names.flatMap((name) => (name.startsWith(usedBy) ? [Number(name.slice(usedBy.length))] : []));
  return pids.some((pid) => {
    try {
      process.kill(pid, 0);
      return true;
    } catch (error) {
      return error.code === 'EPERM';
    }
  });
}

async function make(folder) {
  const startedMs = Date.now();
  const { outputFiles, sources } = await build();
  const hash = createHash('sha256');
  for (const { path, contents } of outputFiles) hash.update(basename(path)).update(contents);
  const name = hash.digest('hex').slice(0, 16);
  mkdirSync(folder, { recursive: true });
  // One of this name that lost a file stands in the way.
  const sizeOf = (path) => statSync(path, { throwIfNoEntry: false })?.size;
  const isLike = ({ path, contents }) => sizeOf(join(folder, name, basename(path))) === contents.length;
  if (sizeOf(join(folder, name)) !== undefined && !outputFiles.every(isLike))
    rmSync(join(folder, name), { recursive: true });
  writeWhole(join(folder, name), (unfinished) => {
    mkdirSync(unfinished);
    for (const { path, contents } of outputFiles) writeFileSync(join(unfinished, basename(path)), contents);
  });
  utimesSync(join(folder, name), new Date(), new Date());
  const states = Object.fromEntries(sources.map((source) => [source, stateOf(source)]));
  // What was written while this ran may or may not be in it.
  const isCertain = Object.values(states).every((state) => Number.parseFloat(state) < startedMs);
  if (isCertain)
    writeWhole(join(folder, 'current.json'), (path) =>
      writeFileSync(path, JSON.stringify({ checkout, name, states })),
    );
  for (const other of readdirSync(folder)) {
    const path = join(folder, other);
    const age = startedMs - statSync(path, { throwIfNoEntry: false })?.mtimeMs;
    if (age > keptMs && !isUsed(path)) rmSync(path, { recursive: true, force: true });
  }
  return join(folder, name);
}

/** Of the bundle that is there, where it is of these very sources and has the file. */
function kept(folder, file) {
  try {
    const { checkout: madeIn, name, states } = JSON.parse(readFileSync(join(folder, 'current.json'), 'utf8'));
    // A copy of a checkout has its sources elsewhere.
    if (madeIn !== checkout) return undefined;
    const isCurrent = Object.entries(states).every(([source, state]) => stateOf(source) === state);
    return isCurrent && statSync(join(folder, name, file)).size > 0 ? join(folder, name) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param {keyof typeof entries} source an entry, relative to the checkout
 * @returns the URL of its bundle; undefined where that cannot be made or kept: then the sources run as they are, and say why.
 */
export async function bundled(source) {
  const folder = join(homeFolder(), 'cache', 'bundle');
  try {
    return pathToFileURL(join(kept(folder, fileOf(source)) ?? (await make(folder)), fileOf(source))).href;
  } catch {
    return undefined;
  }
}

/** Where a path leads: a checkout may be reached by a link. */
function placeOf(path) {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** The entry that a command line starts, where it is one of this checkout. */
export function startedEntry(args = process.argv) {
  const started = args.filter(isAbsolute).map(placeOf);
  return Object.keys(entries).find((source) => started.includes(join(checkout, source)));
}

/** Keeps the bundle of an entry as long as this process lives. */
export const keepForThisProcess = (bundle) =>
  writeFileSync(join(dirname(fileURLToPath(bundle)), usedBy + process.pid), '');
