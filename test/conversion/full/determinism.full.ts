/** The same source and options give the same bytes: `npm run test:full -- conversion`. */
import { execFileSync } from 'node:child_process';
import { fullCount } from '../../support/full-count.ts';

const runs = ['layers.zip', 'options.zip', 'formats.zip'].flatMap((archive) =>
  ['onnx', 'tflite'].map((target) => ({ archive, target })),
);

interface Figures {
  readonly target: string;
  /** By method: conversions, and refusals alike. */
  readonly converted: Readonly<Record<string, number>>;
  readonly refused: number;
}

const loader = new URL('../../../toolchain/typescript.mjs', import.meta.url).href;
const program = new URL('./digests.ts', import.meta.url).pathname;

/** A process of its own, so that nothing is left over from the first time. */
const digestsOf = (archive: string, target: string) =>
  JSON.parse(
    execFileSync(process.execPath, ['--import', loader, program, archive, target], {
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  ) as Record<string, string>;

await fullCount<Figures>(import.meta.url, {
  title: 'The same bytes',
  what: 'Every recorded model converted by every method of every target twice, in two processes: a version’s digest (over its manifest, which has the digests of its files) that differs, or a refusal that comes only once, would have been a failure.',
  chunks: runs.length,
  run(chunk) {
    const { archive, target } = runs[chunk] as (typeof runs)[number];
    const [first, second] = [digestsOf(archive, target), digestsOf(archive, target)];
    const keys = Object.keys(first);
    const different = keys.filter((key) => first[key] !== second[key]);
    if (different.length > 0 || keys.length !== Object.keys(second).length)
      throw new Error(`converted into other bytes:\n${different.join('\n')}`);
    const converted: Record<string, number> = {};
    for (const key of keys.filter((each) => !first[each]?.startsWith('CONVERSION_'))) {
      const method = key.split(' ').at(-1) as string;
      converted[method] = (converted[method] ?? 0) + 1;
    }
    const total = Object.values(converted).reduce((a, b) => a + b, 0);
    return { target, converted, refused: keys.length - total };
  },
  report: (all) =>
    Object.fromEntries(
      ['onnx', 'tflite'].flatMap((target) => {
        const own = all.filter((figures) => figures.target === target);
        const methods = [...new Set(own.flatMap(({ converted }) => Object.keys(converted)))];
        const sum = (of: (figures: Figures) => number) => own.reduce((total, each) => total + of(each), 0);
        return [
          ...methods.map((method) => [
            `${target}, ${method}: twice the same bytes`,
            sum(({ converted }) => converted[method] ?? 0),
          ]),
          [`${target}: refused both times`, sum(({ refused }) => refused)],
        ];
      }),
    ),
});
