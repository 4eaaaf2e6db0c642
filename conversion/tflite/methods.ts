import type { Tensor } from './evaluate/index.ts';
import type { Program } from './ir.ts';

/** A way to make a .tflite file smaller: a row of `tfliteMethods`. What it takes is loaded when it is wanted. */
export interface TfliteMethod {
  /** Exact methods are held to float32 rounding; the others to the budget. */
  readonly exact: boolean;
  /** Whether it learns from the rows. Default false. */
  readonly learns?: boolean;
  readonly summary: string;
  /** @param calibration one tensor of rows per input, where the user gave rows. */
  apply(program: Program, calibration: readonly Tensor[] | undefined): Promise<Program>;
}

/** The methods of TFLite, by the name in the settings and the manifest. */
export const tfliteMethods = {
  none: {
    exact: true,
    summary: 'freeze: float32, parameters and structure in one self-contained file, training-only parts gone',
    apply: async (program) => program,
  },
  float16: {
    exact: false,
    summary: 'quantize: weights as float16, half the size, the same speed on processors',
    apply: async (program) => (await import('./quantize/float16.ts')).float16Weights(program),
  },
  'dynamic-int8': {
    exact: false,
    summary: 'quantize: weights as int8 per channel, values as float32; needs no data',
    apply: async (program) => (await import('./quantize/dynamic-int8.ts')).dynamicInt8(program),
  },
  'static-int8': {
    exact: false,
    learns: true,
    summary: 'quantize: weights and values as int8, with the ranges of calibration rows; floats in and out',
    apply: async (program, rows) => (await import('./quantize/calibrated.ts')).calibrated(program, rows),
  },
} as const satisfies Record<string, TfliteMethod>;
