/** Writes what docs/ says from the tables it speaks of: `npx tsx infra/write-pages.ts`. Tests fail where pages and tables differ. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Profile } from '../conversion/manifest/index.ts';
import { environmentPage } from './environment/page.ts';
import { runbookFiles } from './monitoring/runbooks.ts';
import { defaultObjectives } from './monitoring/slo.ts';
import { costTable, scaleTable } from './scale.ts';

const root = fileURLToPath(new URL('../', import.meta.url));

const runbooks = runbookFiles(defaultObjectives);
const folder = `${root}docs/runbooks/`;
mkdirSync(folder, { recursive: true });
for (const old of readdirSync(folder)) if (!(old in runbooks)) rmSync(`${folder}${old}`);
for (const [name, text] of Object.entries(runbooks)) writeFileSync(`${folder}${name}`, text);

writeFileSync(`${root}docs/environment.md`, environmentPage());

const profile = Profile.parse(JSON.parse(readFileSync(`${root}samples/digits/profile.json`, 'utf8')));
const between = (page: string, mark: string, text: string) =>
  page.replace(
    new RegExp(`(<!-- ${mark} -->\\n)[\\s\\S]*(\\n<!-- /${mark} -->)`),
    (_, open, close) => `${open}${text}${close}`,
  );
const scale = readFileSync(`${root}docs/scale.md`, 'utf8');
writeFileSync(
  `${root}docs/scale.md`,
  between(between(scale, 'table', scaleTable()), 'cost', costTable(profile)),
);
