// Finds the Pulumi CLI, or gets it: PATH of a fitting version, the official download, a build from pinned Go modules.
import { execFile, spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream, existsSync, readFileSync } from 'node:fs';
import {
  chmod,
  copyFile,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { cacheFolder, checkout } from './pulumi-environment.mjs';

const exec = promisify(execFile);
const moduleFolder = join(checkout, 'toolchain', 'pulumi-cli');
const goPackage = 'github.com/pulumi/pulumi/pkg/v3/cmd/pulumi';
const exe = process.platform === 'win32' ? '.exe' : '';

/** The version that the modules pin, and the oldest on PATH that is taken instead. */
export const pinnedVersion = /pulumi\/pkg\/v3 v(\d+\.\d+\.\d+)/.exec(
  readFileSync(join(moduleFolder, 'go.mod'), 'utf8'),
)[1];
const oldestFitting = [3, 200];

/** Packages that a cold build compiles; only the progress bar depends on it. */
const coldBuildPackages = 1685;
const downloadTimeoutMs = 20_000;

/** A toolchain that cannot be had, with every way to get it. */
export class ToolchainError extends Error {
  name = 'ToolchainError';
  code = 'TOOLCHAIN_NO_PULUMI';
}

/** The cache key of a build: other modules or another platform, another folder. */
export function cacheKey() {
  const hash = createHash('sha256');
  for (const file of ['pulumi-cli/go.sum', 'pulumi-cli/go.mod']) {
    hash.update(readFileSync(join(checkout, 'toolchain', file)));
  }
  return `${process.platform}-${process.arch}-${hash.digest('hex').slice(0, 16)}`;
}

async function versionOf(binary) {
  try {
    const { stdout } = await exec(binary, ['version'], {
      env: { ...process.env, PULUMI_SKIP_UPDATE_CHECK: 'true' },
      timeout: 30_000,
    });
    return stdout.trim().replace(/^v/, '');
  } catch {
    return undefined;
  }
}

/** `pulumi` on PATH that is not our own bin, of a version that fits and with its language host beside it or on PATH. */
export async function findOnPath(env = process.env) {
  const folders = (env.PATH ?? '')
    .split(process.platform === 'win32' ? ';' : ':')
    .filter((f) => f && !f.includes('node_modules'));
  const hasHost = folders.some((folder) => existsSync(join(folder, `pulumi-language-nodejs${exe}`)));
  for (const folder of folders) {
    const binary = join(folder, `pulumi${exe}`);
    if (!existsSync(binary) || !hasHost) continue;
    const version = await versionOf(binary);
    const [major, minor] = (version ?? '').split('.').map(Number);
    if (major === oldestFitting[0] && minor >= oldestFitting[1]) return { folder, version };
  }
  return undefined;
}

/** What is in the cache, without getting anything. */
export function cached(env = process.env) {
  const folder = join(cacheFolder(env), 'pulumi', cacheKey());
  return existsSync(join(folder, 'complete')) ? { folder, version: pinnedVersion } : undefined;
}

/** Our language host and Pulumi's own dynamic provider beside the binary: elsewhere every command prints a warning. */
async function addLanguageHost(folder) {
  await copyFile(join(checkout, 'toolchain', 'language-host', 'host.mjs'), join(folder, 'host.mjs'));
  // The checkout that is being deployed brings its own; the copy is for a `pulumi` that is called without our environment.
  const launcher = [
    '#!/bin/sh',
    'host="$MODELMILE_CHECKOUT/toolchain/language-host/host.mjs"',
    '[ -n "$MODELMILE_CHECKOUT" ] && [ -f "$host" ] || host="$(dirname "$0")/host.mjs"',
    'exec node "$host" "$@"',
    '',
  ];
  await writeFile(join(folder, 'pulumi-language-nodejs'), launcher.join('\n'));
  await writeFile(join(folder, 'pulumi-language-nodejs.cmd'), '@node "%~dp0host.mjs" %*\r\n');
  await chmod(join(folder, 'pulumi-language-nodejs'), 0o755);
}

async function extractOfficial(archive, folder) {
  await exec('tar', ['-xzf', archive, '-C', folder, '--strip-components=1']);
}

/** The official release for this platform, verified against the checksums that are published with it. */
async function download(folder, report) {
  const { EnvHttpProxyAgent, fetch } = await import('undici').catch(() => ({ fetch: globalThis.fetch }));
  const os = { darwin: 'darwin', linux: 'linux' }[process.platform];
  const arch = { x64: 'x64', arm64: 'arm64' }[process.arch];
  if (os === undefined || arch === undefined)
    throw new Error(`no official build for ${process.platform} ${process.arch}`);
  const name = `pulumi-v${pinnedVersion}-${os}-${arch}.tar.gz`;
  const base = `https://github.com/pulumi/pulumi/releases/download/v${pinnedVersion}`;
  const options = {
    redirect: 'follow',
    signal: AbortSignal.timeout(downloadTimeoutMs),
    ...(EnvHttpProxyAgent ? { dispatcher: new EnvHttpProxyAgent() } : {}),
  };
  report(`asking for the official Pulumi ${pinnedVersion}`);
  const sums = await fetch(`${base}/pulumi-${pinnedVersion}-checksums.txt`, options);
  if (!sums.ok) throw new Error(`HTTP ${sums.status}`);
  const expected = (await sums.text())
    .split('\n')
    .find((line) => line.endsWith(name))
    ?.split(/\s+/)[0];
  if (expected === undefined) throw new Error(`${name} has no published checksum`);
  const archive = join(folder, 'official.tar.gz');
  const response = await fetch(`${base}/${name}`, { ...options, signal: AbortSignal.timeout(600_000) });
  if (!response.ok || response.body === null) throw new Error(`HTTP ${response.status}`);
  report(`downloading the official Pulumi ${pinnedVersion}`);
  await pipeline(response.body, createWriteStream(archive));
  const actual = createHash('sha256')
    .update(await readFile(archive))
    .digest('hex');
  if (actual !== expected) throw new Error(`${name} has sha256 ${actual}, published is ${expected}`);
  await extractOfficial(archive, folder);
  await rm(archive);
}

/** The command line tools compiled from the modules that go.mod and go.sum pin. Go's caches make it resumable. */
function build(folder, report) {
  return new Promise((resolve, reject) => {
    const startedMs = Date.now();
    const flags = `-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=${pinnedVersion}`;
    const args = [
      'build',
      '-v',
      '-trimpath',
      '-ldflags',
      flags,
      '-o',
      join(folder, `pulumi${exe}`),
      goPackage,
    ];
    const child = spawn('go', args, {
      cwd: moduleFolder,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, CGO_ENABLED: '0' },
    });
    const tail = [];
    let compiled = 0;
    let fetched = 0;
    let rest = '';
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop();
      for (const line of lines) {
        tail.push(line);
        if (tail.length > 20) tail.shift();
        if (line.startsWith('go: downloading')) fetched += 1;
        else compiled += 1;
      }
      const share = Math.min(compiled / coldBuildPackages, 0.99);
      const elapsed = (Date.now() - startedMs) / 1000;
      const left = share > 0.03 ? `, about ${Math.ceil((elapsed * (1 - share)) / share / 60)} min left` : '';
      report(
        `building Pulumi ${pinnedVersion} from Go modules: ${fetched} modules fetched, ${Math.round(100 * share)} % compiled${left}`,
      );
    });
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`go build ended with ${signal ?? code}:\n${[...tail, rest].join('\n')}`));
    });
  });
}

/** Two set-ups at once: the second waits. A lock whose owner has stopped touching it is taken over. */
async function withLock(path, report, work) {
  const staleMs = 15_000;
  for (;;) {
    try {
      await (await open(path, 'wx')).close();
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      const age = Date.now() - (await stat(path).catch(() => ({ mtimeMs: 0 }))).mtimeMs;
      if (age > staleMs) await rm(path, { force: true });
      else {
        report('another process is getting Pulumi: waiting for it');
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
    }
  }
  const touch = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => {}), staleMs / 5);
  try {
    return await work();
  } finally {
    clearInterval(touch);
    await rm(path, { force: true });
  }
}

async function removeUnfinished(parent) {
  for (const name of await readdir(parent))
    if (name.endsWith('.part')) await rm(join(parent, name), { recursive: true, force: true });
}

/** Every way to get the CLI, in order. */
const ways = {
  'the official download': (folder, report) => download(folder, report),
  'a build from Go modules': (folder, report) => build(folder, report).then(() => addLanguageHost(folder)),
};

/**
 * The folder of a Pulumi CLI with its language host.
 * @param report called with a line of progress
 * @throws ToolchainError where no way works
 */
export async function ensurePulumi(report, env = process.env) {
  const found = cached(env) ?? (await findOnPath(env));
  if (found !== undefined) return found;
  const folder = join(cacheFolder(env), 'pulumi', cacheKey());
  await mkdir(dirname(folder), { recursive: true });
  return withLock(`${folder}.lock`, report, async () => {
    const meanwhile = cached(env);
    if (meanwhile !== undefined) return meanwhile;
    await removeUnfinished(dirname(folder));
    const failures = [];
    for (const [way, get] of Object.entries(ways)) {
      const unfinished = `${folder}.${randomUUID()}.part`;
      await mkdir(unfinished);
      try {
        await get(unfinished, report);
        await writeFile(join(unfinished, 'complete'), `${way}\n`);
        await rm(folder, { recursive: true, force: true });
        await rename(unfinished, folder);
        return { folder, version: pinnedVersion };
      } catch (error) {
        const reason =
          error.code === 'ENOENT' ? 'Go is not installed' : (error.cause?.message ?? error.message);
        failures.push(`  - ${way}: ${reason}`);
        await rm(unfinished, { recursive: true, force: true });
      }
    }
    throw new ToolchainError(
      `Pulumi ${pinnedVersion} could not be had:\n${failures.join('\n')}\n` +
        'Either install it yourself (https://www.pulumi.com/docs/install/) so that `pulumi` is on PATH,\n' +
        'or install Go 1.26 or newer (https://go.dev/dl/) and run the same command again: it is then built from the Go module proxy.',
    );
  });
}
