#!/usr/bin/env node
// The command `modelmile`: installs the checkout's dependencies where they are missing, then runs cli/main.ts.
import { bundled } from '../bundle.mjs';
import { fileAccessRefusal } from '../file-access.mjs';
import { ensureInstalled, progressLine } from '../install.mjs';

const progress = progressLine();
try {
  await ensureInstalled(progress.report);
} catch (error) {
  progress.end();
  process.stderr.write(`error: ${fileAccessRefusal(error) ?? (error.code ? error.message : error.stack)}\n`);
  process.exit(1);
}
progress.end();
const entry = 'cli/main.ts';
const bundle = await bundled(entry);
if (bundle === undefined) await import('../typescript.mjs');
await import(bundle ?? new URL(`../../${entry}`, import.meta.url).href);
