// Brings node_modules to the lockfile. Runs before anything is installed: Node's own modules only.
import { createHash } from 'node:crypto';
import { constants, existsSync, readFileSync } from 'node:fs';
import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkout } from './pulumi-environment.mjs';

const oldestNode = [20, 19];
const stamp = join(checkout, 'node_modules', '.modelmile-installed');

function lockfileHash() {
  return createHash('sha256')
    .update(readFileSync(join(checkout, 'package-lock.json')))
    .digest('hex');
}

/** @throws Error saying which Node is needed and how to get it */
export function assertNode(version = process.versions.node) {
  const [major, minor] = version.split('.').map(Number);
  if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return;
  throw Object.assign(
    new Error(
      `Node ${version} is too old: modelmile needs ${oldestNode.join('.')} or newer (https://nodejs.org).`,
    ),
    { code: 'TOOLCHAIN_NODE' },
  );
}

export function isInstalled() {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === lockfileHash();
}

/** `npm ci` where node_modules is missing or of another lockfile. Interrupted, it starts over the next time. */
export async function ensureInstalled(report) {
  assertNode();
  if (isInstalled()) return;
  await access(checkout, constants.W_OK);
  const startedMs = Date.now();
  report('installing the npm dependencies from the lockfile: about a minute');
  const tick = setInterval(
    () => report(`installing the npm dependencies: ${Math.round((Date.now() - startedMs) / 1000)} s`),
    5000,
  );
  // Once in a checkout's life: to load it takes each other command some milliseconds.
  const { spawn } = await import('node:child_process');
  try {
    await new Promise((resolve, reject) => {
      const npm = process.env.npm_execpath ? [process.execPath, process.env.npm_execpath] : ['npm'];
      // The workspace of a caller (`npm --prefix`, `-w`) must not leak into this install.
      const env = Object.fromEntries(
        Object.entries(process.env).filter(
          ([name]) => !/^npm_config_(prefix|local_prefix|workspace|global)$/i.test(name),
        ),
      );
      const child = spawn(
        npm[0],
        [...npm.slice(1), 'ci', '--no-audit', '--no-fund', '--loglevel=error', '--no-update-notifier'],
        {
          cwd: checkout,
          stdio: ['ignore', 'ignore', 'pipe'],
          env,
          shell: process.platform === 'win32' && npm.length === 1,
        },
      );
      let errors = '';
      child.stderr.on('data', (chunk) => {
        errors = (errors + chunk).slice(-4000);
      });
      child.on('error', reject);
      child.on('exit', (code) => {
        if (code === 0) resolve();
        else
          reject(
            Object.assign(
              new Error(`npm ci failed:\n${errors.trim()}\nRun the same command again once this is mended.`),
              { code: 'TOOLCHAIN_NPM' },
            ),
          );
      });
    });
  } finally {
    clearInterval(tick);
  }
  await writeFile(stamp, lockfileHash());
}

/** Progress on standard error: rewritten on a terminal, a line at a time elsewhere. */
export function progressLine() {
  const rewrite = process.stderr.isTTY === true;
  let last = '';
  let saidMs = 0;
  return {
    report(text) {
      // A log file wants a sign of life now and then, not every step.
      if (text === last || (!rewrite && Date.now() - saidMs < 5000)) return;
      last = text;
      saidMs = Date.now();
      process.stderr.write(rewrite ? `\r\u001b[2K${text}` : `${text}\n`);
    },
    end() {
      if (rewrite && last !== '') process.stderr.write('\r\u001b[2K');
      last = '';
    },
  };
}
