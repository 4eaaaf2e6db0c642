/** Writes docs/runbooks from the rows: `npx tsx infra/monitoring/write-runbooks.ts`. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runbookFiles } from './runbooks.ts';
import { defaultObjectives } from './slo.ts';

const folder = fileURLToPath(new URL('../../docs/runbooks/', import.meta.url));
const files = runbookFiles(defaultObjectives);
mkdirSync(folder, { recursive: true });
for (const old of readdirSync(folder)) if (!(old in files)) rmSync(`${folder}${old}`);
for (const [name, text] of Object.entries(files)) writeFileSync(`${folder}${name}`, text);
console.log(`${Object.keys(files).length} files in docs/runbooks`);
