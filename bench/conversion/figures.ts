import { fileURLToPath } from 'node:url';
import type { CommandRow, Used } from './commands.ts';
import type { DigitsRow } from './digits.ts';
import type { QuantizerRow } from './quantizers.ts';

export interface Figures {
  readonly command: string;
  readonly commit: string;
  readonly machine: string;
  /** Of the last minute when the run ended: how much else the machine did. */
  readonly loadAverage: number;
  readonly runs: number;
  readonly nodeAlone: Used;
  readonly commands: readonly CommandRow[];
  readonly quantizers: readonly QuantizerRow[];
  readonly digits: readonly DigitsRow[];
}

export const figuresFile = fileURLToPath(
  new URL('../../docs/reports/conversion-bench.json', import.meta.url),
);

/** A target of the project, with what was seen. */
export interface Target {
  readonly what: string;
  readonly wanted: number;
  readonly seen: number;
  /** Whether less is better. */
  readonly isCeiling: boolean;
}

const floor = (what: string, wanted: number, seen: number): Target => ({
  what,
  wanted,
  seen,
  isCeiling: false,
});
const ceiling = (what: string, wanted: number, seen: number): Target => ({
  what,
  wanted,
  seen,
  isCeiling: true,
});

/** Figures of two measurements of the same thing differ by this much. */
const noise = 1.05;

/** What the run says about the project's own targets. */
export function targets({ commands, quantizers, digits, nodeAlone }: Figures): Target[] {
  const mlp = commands.find(({ model }) => model === 'mlp');
  const largest = commands.find(({ model }) => model === 'resnet50');
  const chosen = digits.find(({ isChosen }) => isChosen);
  const float = digits[0];
  return [
    ...commands.map(({ model, ours, official }) =>
      floor(
        `${model}: CPU time of the official path, as a multiple of ours`,
        10,
        official.cpuSeconds / ours.cpuSeconds,
      ),
    ),
    ...(mlp === undefined
      ? []
      : [
          ceiling('mlp by `node toolchain/bin/modelmile.mjs`, wall seconds', 1, mlp.ours.wallSeconds),
          ceiling('mlp by `npx modelmile`, wall seconds', 1, mlp.npx.wallSeconds),
        ]),
    ...(largest === undefined
      ? []
      : [
          ceiling(
            'resnet50: peak memory above Node alone, as a multiple of the model',
            3,
            (largest.ours.peakBytes - nodeAlone.peakBytes) / largest.sourceBytes,
          ),
        ]),
    ...quantizers.flatMap(({ model, method, float: exact, ours, theirs }) => [
      floor(
        `${model} ${method}: times smaller than float32`,
        model === 'wide-mlp' ? 3.9 : 3.7,
        exact.sizeBytes / ours.sizeBytes,
      ),
      ceiling(
        `${model} ${method}: size, share of onnxruntime.quantization's`,
        1,
        ours.sizeBytes / theirs.sizeBytes,
      ),
      ceiling(`${model} ${method}: error, share of its`, noise, ours.error / theirs.error),
      ceiling(`${model} ${method}: time of one row, share of its`, noise, ours.oneRowMs / theirs.oneRowMs),
    ]),
    ...(chosen === undefined || float === undefined
      ? []
      : [
          floor('digits by auto: times smaller than float32', 3, float.sizeBytes! / chosen.sizeBytes!),
          ceiling('digits by auto: points of accuracy lost', 0.5, 100 * (float.accuracy! - chosen.accuracy!)),
        ]),
  ];
}
