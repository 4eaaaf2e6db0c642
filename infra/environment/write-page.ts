/** Writes docs/environment.md from the tables: `npx tsx infra/environment/write-page.ts`. */
import { writeFileSync } from 'node:fs';
import { environmentPage } from './page.ts';

writeFileSync(new URL('../../docs/environment.md', import.meta.url), environmentPage());
