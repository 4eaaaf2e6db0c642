#!/usr/bin/env node
// The command `modelmile`: installs the checkout's dependencies where they are missing, then runs cli/main.ts as it is written.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureInstalled, progressLine } from '../install.mjs';
import { checkout } from '../pulumi-environment.mjs';

const progress = progressLine();
try {
  await ensureInstalled(progress.report);
  progress.end();
  const loader = pathToFileURL(join(checkout, 'toolchain', 'typescript.mjs')).href;
  const child = spawn(
    process.execPath,
    ['--import', loader, join(checkout, 'cli', 'main.ts'), ...process.argv.slice(2)],
    { stdio: 'inherit' },
  );
  // A Ctrl-C reaches the child by itself; a kill of this process is passed on.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)));
} catch (error) {
  progress.end();
  process.stderr.write(`error: ${error.code ? error.message : error.stack}\n`);
  process.exit(1);
}
