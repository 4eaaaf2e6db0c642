#!/usr/bin/env node
// The command `modelmile`: installs the checkout's dependencies where they are missing, then runs cli/main.ts.
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { bundled } from '../bundle.mjs';
import { runCompiled } from '../compiled-script.mjs';
import { fileAccessRefusal } from '../file-access.mjs';
import { ensureInstalled, progressLine } from '../install.mjs';

// A command lives for seconds, on a small heap beside large arrays: compiling what is not hot, marking ahead each time that arrays of
// some ten megabytes are asked for, and marking anew before the heap is five times what lives in it, cost more than they save. Set here,
// where no marking can be under way; servers are other processes.
for (const flag of [
  '--no-incremental-marking',
  '--interrupt-budget=400000',
  '--expose-gc',
  '--heap-growing-percent=400',
])
  setFlagsFromString(flag);
// What knows that much is free may say so: only contexts made from here on have the function.
globalThis.gc = runInNewContext('gc');

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
if (bundle === undefined) {
  await import('../typescript.mjs');
  await (await import(new URL(`../../${entry}`, import.meta.url).href)).ended;
} else {
  const [word = '', ...rest] = process.argv.slice(2);
  const isRun = /^[a-z]+$/.test(word) && !rest.some((argument) => /^(-h|--help)$/.test(argument));
  await runCompiled(fileURLToPath(bundle), isRun ? word : 'help').ended;
}
