#!/usr/bin/env node
// `npm run check`: format and lint, types, arrows between the rooms, dead code. All run, also where one fails.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ensureInstalled, progressLine } from '../install.mjs';
import { checkout } from '../pulumi-environment.mjs';

const rooms = ['conversion', 'serving', 'training', 'infra', 'cli', 'toolchain', 'test', 'bench'].filter(
  (room) => existsSync(join(checkout, room)),
);

/** What was found before is not looked for again where nothing has changed. */
const cache = join('node_modules', '.cache', 'modelmile');

/** Name -> node_modules/.bin command with its arguments. */
const checks = {
  'format and lint': ['biome', 'check', '--error-on-warnings', '.'],
  types: ['tsc', '-p', '.'],
  arrows: ['depcruise', '--cache', join(cache, 'arrows'), '--config', '.dependency-cruiser.cjs', ...rooms],
  'dead code': ['knip', '--no-progress', '--cache', '--cache-location', join(cache, 'dead-code')],
};

function run([command, ...args]) {
  const startedMs = Date.now();
  return new Promise((resolve) => {
    const child = spawn(join(checkout, 'node_modules', '.bin', command), args, {
      cwd: checkout,
      shell: process.platform === 'win32',
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    child.on('error', (error) => resolve({ ok: false, output: error.message, seconds: 0 }));
    child.on('close', (code) =>
      resolve({ ok: code === 0, output, seconds: (Date.now() - startedMs) / 1000 }),
    );
  });
}

const progress = progressLine();
try {
  await ensureInstalled(progress.report);
  progress.end();
  const results = await Promise.all(
    Object.entries(checks).map(async ([name, command]) => [name, await run(command)]),
  );
  for (const [name, { ok, output, seconds }] of results) {
    process.stdout.write(`${ok ? 'ok    ' : 'FAILED'}  ${name} (${seconds.toFixed(1)} s)\n`);
    if (!ok) process.stdout.write(`${output.trim()}\n`);
  }
  process.exit(results.every(([, { ok }]) => ok) ? 0 : 1);
} catch (error) {
  progress.end();
  process.stderr.write(`error: ${error.code ? error.message : error.stack}\n`);
  process.exit(1);
}
