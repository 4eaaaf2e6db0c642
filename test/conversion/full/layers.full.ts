/** Every recorded layer and option of both Keras, in both formats: `npm run test:full -- conversion`. */
import { fullCount } from '../../support/full-count.ts';
import { countLayers, type LayerFigures } from './layers.ts';

const archives = ['layers.zip', 'options.zip'];

await fullCount<LayerFigures>(import.meta.url, {
  title: 'Layers',
  what: 'Models of every layer of tier 0 and 1 with the options that matter, saved by tf_keras 2.21 and Keras 3.15 as .h5 and .keras (test/conversion/fixtures). Every one that converts must answer within four times Keras’s own float32 error against the same model in float64, or 1e-5 of the largest value where that is more; every other must be refused by the name of its layer. Tier 0 not whole, or tier 1 below 95 %, would have been a failure.',
  chunks: archives.length,
  run: (chunk) => countLayers(archives[chunk] as string),
  report(all) {
    const rows: Record<string, string> = {};
    for (const tier of ['tier 0', 'tier 1']) {
      let [converted, total] = [0, 0];
      for (const dialect of ['keras2', 'keras3']) {
        for (const end of ['h5', 'keras']) {
          const key = `${tier}, ${dialect}, .${end}`;
          const done = all.reduce((sum, { counts }) => sum + (counts[key]?.converted ?? 0), 0);
          const given = all.reduce((sum, { counts }) => sum + (counts[key]?.total ?? 0), 0);
          rows[key] = `${done} of ${given}`;
          converted += done;
          total += given;
        }
      }
      rows[tier] = `${converted} of ${total}, ${((100 * converted) / total).toFixed(1)} %`;
      const least = tier === 'tier 0' ? 1 : 0.95;
      if (converted / total < least)
        throw new Error(
          `${tier}: ${rows[tier]} convert, which is below ${100 * least} %:\n${JSON.stringify(rows)}`,
        );
    }
    const refused = [...new Set(all.flatMap((figures) => figures.refused))].sort();
    const worst = Math.max(...all.map((figures) => figures.worstOfAllowed));
    const ratios = all.flatMap((figures) => figures.ratios).sort((a, b) => a - b);
    return {
      ...rows,
      'refused by name': refused.join('; '),
      'of tier 2 and Python code, all refused by name': all.reduce((sum, { beyond }) => sum + beyond, 0),
      'largest error, of what is allowed': worst.toFixed(2),
      'error over Keras’s own float32 error, where that is not 0: median, largest': `${ratios[Math.floor(ratios.length / 2)]?.toFixed(2)}, ${ratios.at(-1)?.toFixed(1)}`,
    };
  },
});
