import { create } from '@bufbuild/protobuf';
import type { Tensor } from 'onnxruntime-node';
import { type ModelProto, ValueInfoProtoSchema, withOutputs } from '../onnx/index.ts';
import { batchesOf } from '../verify/model-parity.ts';
import { openModel } from '../verify/session.ts';
import type { MethodContext } from './method.ts';

/** What an activation's values were seen to be; 0 is always inside. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

/** How a range is taken from what was seen: all of it, or without the most extreme values, which make every step coarser. */
export const calibrators = ['minmax', 'percentile'] as const;
export type Calibrator = (typeof calibrators)[number];

/** Share of the values that `percentile` keeps. */
const keptShare = 0.9999;
const bins = 4096;

/** Counts of a value's magnitudes, positive and negative apart. */
class Histogram {
  min = 0;
  max = 0;
  #largest = 0;
  readonly #above = new Float64Array(bins);
  readonly #below = new Float64Array(bins);
  #total = 0;

  widen(values: ArrayLike<number>): void {
    for (let i = 0; i < values.length; i++) {
      const value = values[i] as number;
      if (value < this.min) this.min = value;
      else if (value > this.max) this.max = value;
    }
    this.#largest = Math.max(-this.min, this.max);
  }

  count(values: ArrayLike<number>): void {
    const perUnit = this.#largest > 0 ? (bins - 1) / this.#largest : 0;
    for (let i = 0; i < values.length; i++) {
      const value = values[i] as number;
      const counts = value < 0 ? this.#below : this.#above;
      counts[Math.ceil(Math.abs(value) * perUnit)]! += 1;
    }
    this.#total += values.length;
  }

  /** Each side is cut where at most half of the share that is given up lies beyond. */
  percentile(): Range {
    const allowed = ((1 - keptShare) / 2) * this.#total;
    const edge = (counts: Float64Array): number => {
      let beyond = 0;
      for (let bin = bins - 1; bin > 0; bin--) {
        beyond += counts[bin] as number;
        if (beyond > allowed) return (bin * this.#largest) / (bins - 1);
      }
      return 0;
    };
    return { min: Math.max(this.min, -edge(this.#below)), max: Math.min(this.max, edge(this.#above)) };
  }
}

/** Runs the rows through the float model and gives the range of each of the named values. */
export async function rangesOf(
  model: ModelProto,
  values: readonly string[],
  { signature, rows }: MethodContext,
  calibrator: Calibrator,
): Promise<Map<string, Range>> {
  const known = new Set(model.graph!.output.map(({ name }) => name));
  const inputs = new Set(signature.inputs.map(({ name }) => name));
  const inside = values.filter((name) => !inputs.has(name));
  // Of any type and rank: the runtime infers them.
  const added = inside
    .filter((name) => !known.has(name))
    .map((name) => create(ValueInfoProtoSchema, { name }));
  const histograms = new Map(values.map((name) => [name, new Histogram()]));
  const session = await openModel(withOutputs(model, added));
  const each = async (look: (histogram: Histogram, values: ArrayLike<number>) => void) => {
    for (const feeds of batchesOf(signature, rows.inputs)) {
      const seen = inside.length === 0 ? {} : await session.run(feeds, inside);
      for (const [name, histogram] of histograms)
        look(histogram, ((inputs.has(name) ? feeds[name] : seen[name]) as Tensor).data as Float32Array);
    }
  };
  try {
    await each((histogram, data) => histogram.widen(data));
    if (calibrator === 'percentile') await each((histogram, data) => histogram.count(data));
  } finally {
    await session.release();
  }
  return new Map(
    [...histograms].map(([name, histogram]) => [
      name,
      calibrator === 'percentile' ? histogram.percentile() : { min: histogram.min, max: histogram.max },
    ]),
  );
}
