/** 1,000 random models of both Keras: `npm run test:full -- conversion`. */
import { fullCount } from '../../support/full-count.ts';
import { installHint, pythonWith } from '../reference/python.ts';
import { type FuzzFigures, fuzzModels } from './fuzz.ts';

const chunks = 20;
const casesEach = 50;
const python = pythonWith('tf_keras');

await fullCount<FuzzFigures>(import.meta.url, {
  title: 'Random models',
  what: `${chunks * casesEach} models, half by tf_keras and half by Keras 3, each built and saved by the real framework as .h5 and .keras: graphs branch, share layers, nest models, take several inputs and give several outputs, carry masks and use raw operations, and names collide on purpose. Every file that converts must answer as the same model does in float64; what is refused must say why. The gate fails closed: what it stops though the model is sound is counted as refused.`,
  chunks,
  lacks: python === undefined ? installHint : undefined,
  run: async (chunk) => {
    const framework = chunk % 2 === 0 ? 'keras2' : 'keras3';
    const figures = await fuzzModels(
      python as string,
      framework,
      Math.floor(chunk / 2) * casesEach,
      casesEach,
    );
    if (figures.wrong.length > 0) throw new Error(`silently wrong:\n${figures.wrong.join('\n')}`);
    return figures;
  },
  report(all) {
    const sum = (of: (figures: FuzzFigures) => number) =>
      all.reduce((total, figures) => total + of(figures), 0);
    const reasons = new Map<string, number>();
    for (const line of all.flatMap(({ refused }) => refused)) {
      const reason = line
        .replace(/^\S+: /, '')
        .replace(/Layer '[^']*'/, 'layer')
        // A sound model that the gate stops: a step where rounding decides, or what is 0 but for rounding.
        .replace(/the answers differ by .*/, 'the answers differ by more than is allowed')
        .split('. ')[0] as string;
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    }
    const table = [...reasons]
      .sort((a, b) => b[1] - a[1])
      .map(([reason, count]) => [`refused: ${reason}`, count] as const);
    return {
      models: sum(({ cases }) => cases),
      'classes of layers': new Set(all.flatMap(({ layers }) => layers)).size,
      'files saved': sum(({ files }) => files),
      'files that Keras could not save of its own models': sum(({ unsaved }) => unsaved),
      'converted, and answer as Keras does': sum(({ right }) => right),
      'silently wrong': 0,
      'largest error, of what float32 may be off by': Math.max(...all.map(({ worst }) => worst)).toFixed(2),
      refused: sum(({ refused }) => refused.length),
      ...Object.fromEntries(table),
    };
  },
});
