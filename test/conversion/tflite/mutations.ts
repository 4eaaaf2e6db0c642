import { ConversionError } from '../../../conversion/errors.ts';
import { evaluate, readTflite } from '../../../conversion/tflite/index.ts';
import { seededRandom } from '../../../conversion/verify/random.ts';

/** Ways to damage a file: each gives new bytes. */
export const damages: readonly ((bytes: Uint8Array, random: () => number) => Uint8Array)[] = [
  // Bits, anywhere.
  (bytes, random) => {
    const changed = bytes.slice();
    for (let n = 0; n < 1 + random() * 8; n++) {
      const at = Math.floor(random() * changed.length);
      changed[at] = (changed[at] as number) ^ (1 << Math.floor(random() * 8));
    }
    return changed;
  },
  // The end is missing.
  (bytes, random) => bytes.slice(0, Math.floor(random() * bytes.length)),
  // Sizes and offsets: a word becomes an extreme one, also in the tables at the front and the back.
  (bytes, random) => {
    const changed = bytes.slice();
    const extremes = [0, 1, 0xffffffff, 0x7fffffff, 0x80000000, 0x00ffffff, bytes.length];
    const view = new DataView(changed.buffer);
    for (let n = 0; n < 1 + random() * 4; n++) {
      const reach = random() < 0.5 ? Math.min(2048, bytes.length) : bytes.length;
      const at = 4 * Math.floor((random() * (reach - 4)) / 4);
      view.setUint32(at, extremes[Math.floor(random() * extremes.length)] as number, true);
    }
    return changed;
  },
  // A piece is overwritten with another piece.
  (bytes, random) => {
    const changed = bytes.slice();
    const size = Math.floor(random() * 64);
    const [from, to] = [random(), random()].map((share) => Math.floor(share * (bytes.length - size)));
    changed.set(bytes.subarray(from, (from as number) + size), to);
    return changed;
  },
];

export interface MutationResult {
  /** Files that were read, and run, in spite of the damage. */
  readonly read: number;
  readonly refused: number;
  /** What is not a typed refusal: there must be none. */
  readonly faults: readonly string[];
  readonly slowestMs: number;
}

/** Reads and, where that works, runs damaged copies of a file. The same seed damages the same places. */
export function damage(bytes: Uint8Array, count: number, seed: number): MutationResult {
  const random = seededRandom(seed);
  const faults: string[] = [];
  let [read, refused, slowestMs] = [0, 0, 0];
  for (let n = 0; n < count; n++) {
    const kind = n % damages.length;
    const changed = (damages[kind] as (typeof damages)[number])(bytes, random);
    const startedMs = performance.now();
    try {
      const file = readTflite(changed, 'damaged.tflite');
      const main = file.subgraphs[0]!;
      const inputs = main.inputs.map((index) => {
        const shape = main.tensors[index]!.shape.map((size) => Math.max(size, 1));
        const size = shape.reduce((product, dim) => product * dim, 1);
        return { shape, data: new Float64Array(Math.min(size, 1e6)) };
      });
      evaluate(file, inputs, { maxWork: 2e8 });
      read++;
    } catch (error) {
      const isTyped = error instanceof ConversionError || (error as Error).name === 'EvaluationError';
      if (isTyped) refused++;
      else faults.push(`seed ${seed}, file ${n}: ${(error as Error).stack}`);
    }
    slowestMs = Math.max(slowestMs, performance.now() - startedMs);
  }
  return { read, refused, faults, slowestMs };
}
