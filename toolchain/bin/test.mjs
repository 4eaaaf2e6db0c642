#!/usr/bin/env node
// `npm test`: every test. `--lane unit`: no real engine, no network, under a minute. `--full <room>`: the full counts, with a report.
// Other arguments go to jest, for example a path.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { fileAccessRefusal } from '../file-access.mjs';
import { ensureInstalled, progressLine } from '../install.mjs';
import { ensurePulumi } from '../pulumi-cli.mjs';
import { checkout } from '../pulumi-environment.mjs';

const args = process.argv.slice(2);

function run(command, commandArgs, env = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, commandArgs, {
      cwd: checkout,
      stdio: 'inherit',
      env: { ...process.env, ...env },
    });
    child.on('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)));
  });
}

/** Full counts are plain programs: test/<room>/full/*.full.ts, each resumable and writing its report to docs/reports/. */
async function full(room) {
  const folder = join(checkout, 'test', room ?? '', 'full');
  if (room === undefined || !existsSync(folder)) {
    const rooms = readdirSync(join(checkout, 'test')).filter((name) =>
      existsSync(join(checkout, 'test', name, 'full')),
    );
    process.stderr.write(
      `usage: npm run test:full -- <room>; rooms with full counts: ${rooms.join(', ') || 'none yet'}\n`,
    );
    return 2;
  }
  const loader = pathToFileURL(join(checkout, 'toolchain', 'typescript.mjs')).href;
  const count = { done: 0, failed: 0, skipped: 0 };
  for (const file of readdirSync(folder)
    .filter((name) => name.endsWith('.full.ts'))
    .sort()) {
    process.stdout.write(`${room}/${file}\n`);
    const code = await run(process.execPath, ['--import', loader, join(folder, file)]);
    if (code === 130) return code;
    count[{ 0: 'done', 77: 'skipped' }[code] ?? 'failed']++;
  }
  process.stdout.write(`\n${count.done} done, ${count.failed} failed, ${count.skipped} skipped\n`);
  return count.failed > 0 ? 1 : 0;
}

async function jest(lane, rest) {
  const folder = await mkdtemp(join(tmpdir(), 'modelmile-test-'));
  const output = join(folder, 'results.json');
  const ignore =
    lane === 'unit'
      ? ['--testPathIgnorePatterns', 'integration\\.test\\.ts$', 'browser\\.test\\.ts$', 'loop\\.test\\.ts$']
      : [];
  try {
    const code = await run(
      process.execPath,
      [
        '--experimental-vm-modules',
        '--no-warnings',
        join(checkout, 'node_modules', 'jest', 'bin', 'jest.js'),
        '--json',
        '--forceExit',
        `--outputFile=${output}`,
        ...rest,
        ...ignore,
      ],
      // Times and numbers must not depend on where a developer sits.
      { TZ: 'UTC', LC_ALL: 'C' },
    );
    const results = existsSync(output) ? JSON.parse(await readFile(output, 'utf8')) : undefined;
    if (results === undefined) return code || 1;
    // A file that does not even load is a failure that no test counts.
    const failed =
      results.numFailedTests +
      results.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0)
        .length;
    process.stdout.write(
      `\n${results.numPassedTests} passed, ${failed} failed, ${results.numPendingTests + results.numTodoTests} skipped\n`,
    );
    return code;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const progress = progressLine();
try {
  await ensureInstalled(progress.report);
  if (args[0] === '--full') {
    progress.end();
    process.exit(await full(args[1]));
  }
  const lane = args[0] === '--lane' ? args.splice(0, 2)[1] : 'all';
  if (lane === 'all')
    await ensurePulumi(progress.report).catch((error) =>
      process.stderr.write(`${error.message}\nTests that need the engine will be skipped.\n`),
    );
  progress.end();
  // The JSON goes to a file; people read jest's own report on standard error.
  process.exit(await jest(lane, args));
} catch (error) {
  progress.end();
  process.stderr.write(`error: ${fileAccessRefusal(error) ?? (error.code ? error.message : error.stack)}\n`);
  process.exit(1);
}
