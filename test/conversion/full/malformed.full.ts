/** 10,000 damaged files: `npm run test:full -- conversion`. */
import { fullCount } from '../../support/full-count.ts';
import { convertDamaged, type MalformedFigures } from './malformed.ts';

const chunks = 20;
const filesEach = 500;

await fullCount<MalformedFigures>(import.meta.url, {
  title: 'Malformed files',
  what: `${(chunks * filesEach).toLocaleString('en-US')} files, a quarter each .h5, .keras, .onnx and .tflite, damaged: bits flipped, ends cut off, sizes and offsets exchanged, configs and graphs with other values, archives with bombs, wrong sizes and members that lie elsewhere, weights in files elsewhere. Each must be refused by a ConversionError or converted through the gate, within 10 s and 1 GB, in a process that goes on living, and nothing may lie outside the output folder, temporary files included. .tflite is inspected, as nothing is made from it.`,
  chunks,
  run: (_chunk, seed) => convertDamaged(filesEach, seed),
  report(all) {
    const sums = (of: (figures: MalformedFigures) => Readonly<Record<string, number>>) => {
      const total: Record<string, number> = {};
      for (const figures of all)
        for (const [key, count] of Object.entries(of(figures))) total[key] = (total[key] ?? 0) + count;
      return total;
    };
    const ends = sums((figures) => figures.ends);
    return {
      ...Object.fromEntries(
        Object.entries(sums((figures) => figures.files)).map(([end, count]) => [`.${end} files`, count]),
      ),
      ...Object.fromEntries(Object.entries(ends).sort((a, b) => b[1] - a[1])),
      'crashes, hangs, other errors, files elsewhere': 0,
      'slowest, ms': Math.round(Math.max(...all.map(({ slowestMs }) => slowestMs))),
      'most memory of a process, MiB': Math.round(Math.max(...all.map(({ peakMiB }) => peakMiB))),
    };
  },
});
