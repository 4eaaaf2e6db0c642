#!/usr/bin/env node
// The command `modelmile`: installs the checkout's dependencies where they are missing, then runs cli/main.ts as it is written.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { fileAccessRefusal } from '../file-access.mjs';
import { ensureInstalled, progressLine } from '../install.mjs';
import { checkout } from '../pulumi-environment.mjs';

const progress = progressLine();
try {
  await ensureInstalled(progress.report);
} catch (error) {
  progress.end();
  process.stderr.write(`error: ${fileAccessRefusal(error) ?? (error.code ? error.message : error.stack)}\n`);
  process.exit(1);
}
progress.end();
await import('../typescript.mjs');
await import(pathToFileURL(join(checkout, 'cli', 'main.ts')).href);
