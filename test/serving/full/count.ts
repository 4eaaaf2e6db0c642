import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A proof that takes long: cut into chunks, of which those that were done are not done again. */
export interface FullCount<Figures> {
  /** Of its section in the report. */
  readonly title: string;
  /** What was done and what would have been a failure, in a sentence or two. */
  readonly what: string;
  readonly chunks: number;
  /** @throws where something is not as it must be */
  run(chunk: number, seed: number): Promise<Figures> | Figures;
  /** Lines of the report's table. @throws where all chunks together are not as they must be */
  report(all: readonly Figures[]): Record<string, string | number>;
}

interface State<Figures> {
  readonly commit: string;
  readonly seed: number;
  done: Figures[];
  seconds: number;
}

const checkout = fileURLToPath(new URL('../../../', import.meta.url));
const report = `${checkout}docs/reports/serving.md`;
const heading = `# Serving: the full counts

\`npm run test:full -- serving\` runs them all; each file of test/serving/full runs alone too, continues where it was stopped, and writes its
own section here when nothing failed. Load is that of the machine's last minute at the end: others worked on it at the same time.
`;

/** Puts a section in the place of the one with its title. */
function writeSection(title: string, text: string): void {
  mkdirSync(`${checkout}docs/reports`, { recursive: true });
  const [, ...sections] = existsSync(report) ? readFileSync(report, 'utf8').split(/^## /m) : [''];
  const others = sections.filter((section) => !section.startsWith(`${title}\n`));
  const all = [...others.map((section) => section.trimEnd()), `${title}\n\n${text.trimEnd()}`].sort();
  writeFileSync(report, `${[heading.trimEnd(), ...all.map((section) => `## ${section}`)].join('\n\n')}\n`);
}

/** Runs what is left of a count and writes its section. `SEED` in the environment chooses the seed. */
export async function fullCount<Figures>(program: string, count: FullCount<Figures>): Promise<void> {
  const name = basename(fileURLToPath(program), '.full.ts');
  const seed = Number(process.env['SEED'] ?? 20_261_124);
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
    cwd: checkout,
    encoding: 'utf8',
  }).trim();
  const stateFile = `${checkout}.modelmile/full/serving-${name}.json`;
  mkdirSync(`${checkout}.modelmile/full`, { recursive: true });
  let state: State<Figures> = { commit, seed, done: [], seconds: 0 };
  if (existsSync(stateFile)) {
    const before = JSON.parse(readFileSync(stateFile, 'utf8')) as State<Figures>;
    if (before.commit === commit && before.seed === seed) state = before;
  }
  while (state.done.length < count.chunks) {
    const startedMs = performance.now();
    const figures = await count.run(state.done.length, seed + state.done.length);
    state.done.push(figures);
    state.seconds += (performance.now() - startedMs) / 1000;
    writeFileSync(stateFile, JSON.stringify(state));
    process.stdout.write(
      `${name}: ${state.done.length} of ${count.chunks}, ${Math.round(state.seconds)} s ${JSON.stringify(figures).slice(0, 300)}\n`,
    );
  }
  const lines = Object.entries({
    ...count.report(state.done),
    seconds: Math.round(state.seconds),
    load: (loadavg()[0] ?? 0).toFixed(1),
  }).map(
    ([key, value]) => `| ${key} | ${typeof value === 'number' ? value.toLocaleString('en-US') : value} |`,
  );
  const command = `node --import ./toolchain/typescript.mjs test/serving/full/${name}.full.ts`;
  writeSection(
    count.title,
    `${count.what}\n\n\`${command}\`, seed ${seed}, commit ${commit}.\n\n| | |\n|---|---|\n${lines.join('\n')}\n`,
  );
  process.exit(0);
}
