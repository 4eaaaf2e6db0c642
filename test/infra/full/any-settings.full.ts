/** 500 settings of staging and 400 of prod: `npm run test:full -- infra`. Writes docs/reports/infra.md. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import * as pulumi from '@pulumi/pulumi';
import { prodIsSound, stagingIsSound } from '../any-settings.ts';

const seed = Number(process.env['SEED'] ?? 20_261_123);
const counts = { staging: 500, prod: 400 };
// The reasons of a thousand plans are of no use here.
Object.assign(pulumi.log, { info: () => Promise.resolve() });

// Of what is tested, whatever is committed meanwhile.
const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
const started = Date.now();
await stagingIsSound(counts.staging, seed);
const half = Date.now();
await prodIsSound(counts.prod, seed);
const ended = Date.now();

const folder = new URL('../../../docs/reports/', import.meta.url);
mkdirSync(folder, { recursive: true });
writeFileSync(
  new URL('infra.md', folder),
  `# Infra: any valid settings

\`npm run test:full -- infra\`, seed ${seed}, commit ${commit}: random valid settings, whose manifests must fit the schemas of Kubernetes and
of their custom resources and whose resources must keep every policy.

| stack | settings | failed | seconds |
|---|---|---|---|
| staging | ${counts.staging} | 0 | ${Math.round((half - started) / 1000)} |
| prod | ${counts.prod} | 0 | ${Math.round((ended - half) / 1000)} |
`,
);
console.log(`${counts.staging + counts.prod} passed, 0 failed`);
process.exit(0);
