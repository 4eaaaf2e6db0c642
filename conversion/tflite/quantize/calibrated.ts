import { ConversionError } from '../../errors.ts';
import { assemble } from '../assemble.ts';
import type { Tensor } from '../evaluate/index.ts';
import { countOf, type Program } from '../ir.ts';
import { readTflite } from '../read.ts';
import { calibrate } from './ranges.ts';
import { staticInt8 } from './static-int8.ts';

/** Row `row` of every input, as a batch of one. */
function rowOf(inputs: readonly Tensor[], row: number): Tensor[] {
  return inputs.map(({ shape, data }) => {
    const size = countOf(shape.slice(1));
    return { shape: [1, ...shape.slice(1)], data: data.slice(row * size, (row + 1) * size) };
  });
}

/**
 * Weights and values as int8, with the ranges that the rows give.
 * @throws ConversionError CONVERSION_BAD_OPTION without rows
 */
export function calibrated(program: Program, calibration: readonly Tensor[] | undefined): Program {
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
