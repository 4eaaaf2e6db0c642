import { ConversionError } from '../errors.ts';
import { assemble } from './assemble.ts';
import type { Tensor } from './evaluate/index.ts';
import { countOf, type Program } from './ir.ts';
import { dynamicInt8 } from './quantize/dynamic-int8.ts';
import { float16Weights } from './quantize/float16.ts';
import { calibrate } from './quantize/ranges.ts';
import { staticInt8 } from './quantize/static-int8.ts';
import { readTflite } from './read.ts';

/** A way to make a .tflite file smaller: a row of `tfliteMethods`. */
export interface TfliteMethod {
  /** Exact methods are held to float32 rounding; the others to the budget. */
  readonly exact: boolean;
  readonly summary: string;
  /** @param calibration one tensor of rows per input, where the user gave rows. */
  apply(program: Program, calibration: readonly Tensor[] | undefined): Program;
}

/** Row `row` of every input, as a batch of one. */
function rowOf(inputs: readonly Tensor[], row: number): Tensor[] {
  return inputs.map(({ shape, data }) => {
    const size = countOf(shape.slice(1));
    return { shape: [1, ...shape.slice(1)], data: data.slice(row * size, (row + 1) * size) };
  });
}

function calibrated(program: Program, calibration: readonly Tensor[] | undefined): Program {
  const rows = calibration?.[0]?.shape[0] ?? 0;
  if (calibration === undefined || rows === 0) {
    throw new ConversionError(
      'CONVERSION_BAD_OPTION',
      "Method 'static-int8' learns from rows of real data how large values get: give them with --calibration",
    );
  }
  const file = readTflite(assemble(program), 'the float32 file');
  const all = Array.from({ length: rows }, (_, row) => rowOf(calibration, row));
  return staticInt8(program, calibrate(file, all));
}

/** The methods of TFLite, by the name in the settings and the manifest. */
export const tfliteMethods = {
  none: {
    exact: true,
    summary: 'freeze: float32, parameters and structure in one self-contained file, training-only parts gone',
    apply: (program) => program,
  },
  float16: {
    exact: false,
    summary: 'quantize: weights as float16, half the size, the same speed on processors',
    apply: float16Weights,
  },
  'dynamic-int8': {
    exact: false,
    summary: 'quantize: weights as int8 per channel, values as float32; needs no data',
    apply: dynamicInt8,
  },
  'static-int8': {
    exact: false,
    summary: 'quantize: weights and values as int8, with the ranges of calibration rows; floats in and out',
    apply: calibrated,
  },
} as const satisfies Record<string, TfliteMethod>;
