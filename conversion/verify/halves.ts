import type { Signature } from '../manifest/index.ts';
import type { Tensor } from './interpreter/index.ts';

/** Fewer rows are too few to learn from half of them. */
const fewestRows = 64;

/** Every other row, of each input. */
function everyOther({ shape, data }: Tensor, from: number): Tensor {
  const [rows = 1, ...rest] = shape;
  const size = data.length / rows;
  const count = Math.floor((rows - from + 1) / 2);
  const picked = new Float64Array(count * size);
  for (let row = 0; row < count; row++)
    picked.set(data.subarray((2 * row + from) * size, (2 * row + from + 1) * size), row * size);
  return { shape: [count, ...rest], data: picked };
}

/**
 * Rows that teach and rows that judge: what is learnt from rows answers those closer than any other, so that one of half of them, judged
 * on the rest, says more.
 * @returns undefined where there are too few
 */
export function halves(
  inputs: readonly Tensor[],
  signature: Signature,
): Record<'teach' | 'judge', Tensor[]> | undefined {
  // A model may take so many at once.
  const atOnce = Math.max(...signature.inputs.map(({ shape }) => shape[0] ?? 1));
  if ((inputs[0]?.shape[0] ?? 0) < Math.max(fewestRows, 2 * atOnce)) return undefined;
  return {
    teach: inputs.map((input) => everyOther(input, 0)),
    judge: inputs.map((input) => everyOther(input, 1)),
  };
}
