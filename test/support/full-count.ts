import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A proof that takes long: cut into chunks, of which those that were done are not done again. */
export interface FullCount<Figures> {
  /** Of its section in the report. */
  readonly title: string;
  /** What was done and what would have been a failure, in a sentence or two. */
  readonly what: string;
  readonly chunks: number;
  /** What this machine lacks for it, and how to get that: the count is skipped then, and its section stays as it is. */
  readonly lacks?: string | undefined;
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

/** Exit code of a count that was skipped, as of automake's tests; toolchain/bin/test.mjs counts it. */
const skippedCode = 77;

const checkout = fileURLToPath(new URL('../../', import.meta.url));

const headingOf = (room: string) => `# ${room[0]?.toUpperCase()}${room.slice(1)}: the full counts

\`npm run test:full -- ${room}\` runs them all; each file of test/${room}/full runs alone too, continues where it was stopped, and writes its
own section here when nothing failed. Load is that of the machine's last minute at the end: others worked on it at the same time.
`;

/** Puts a section in the place of the one with its title. */
function writeSection(room: string, title: string, text: string): void {
  const report = `${checkout}docs/reports/${room}.md`;
  mkdirSync(`${checkout}docs/reports`, { recursive: true });
  const [, ...sections] = existsSync(report) ? readFileSync(report, 'utf8').split(/^## /m) : [''];
  const others = sections.filter((section) => !section.startsWith(`${title}\n`));
  const all = [...others.map((section) => section.trimEnd()), `${title}\n\n${text.trimEnd()}`].sort();
  writeFileSync(
    report,
    `${[headingOf(room).trimEnd(), ...all.map((section) => `## ${section}`)].join('\n\n')}\n`,
  );
}

/**
 * Runs what is left of a count and writes its section into docs/reports/<room>.md. `SEED` in the environment chooses the seed.
 * @param program `import.meta.url` of test/<room>/full/<name>.full.ts
 */
export async function fullCount<Figures>(program: string, count: FullCount<Figures>): Promise<void> {
  const file = relative(checkout, fileURLToPath(program));
  const [, room = '', , name = ''] = file.replace('.full.ts', '').split('/');
  if (count.lacks !== undefined) {
    process.stdout.write(`${name}: skipped: ${count.lacks}\n`);
    process.exit(skippedCode);
  }
  const seed = Number(process.env['SEED'] ?? 20_261_124);
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
    cwd: checkout,
    encoding: 'utf8',
  }).trim();
  const stateFile = `${checkout}.modelmile/full/${room}-${name}.json`;
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
  const command = `node --import ./toolchain/typescript.mjs ${file}`;
  writeSection(
    room,
    count.title,
    `${count.what}\n\n\`${command}\`, seed ${seed}, commit ${commit}.\n\n| | |\n|---|---|\n${lines.join('\n')}\n`,
  );
  process.exit(0);
}
