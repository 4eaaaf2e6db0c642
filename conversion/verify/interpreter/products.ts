import { product, sizeOf, type Tensor } from './tensor.ts';

/** A matrix that is laid out where it is multiplied, in memory that the next one may have: row by row, over whatever is there. */
export interface Laid {
  readonly shape: readonly number[];
  layInto(memory: Float64Array): void;
}

/** Two matrices, [rows, inner] and [inner, columns], whose product an evaluation asks for. */
export interface Product {
  readonly a: Tensor | Laid;
  readonly b: Tensor | Laid;
}

/** A matrix with its numbers. @param memoryOf so many numbers, of any value */
export function laidOut(
  matrix: Tensor | Laid,
  memoryOf = (length: number) => new Float64Array(length),
): Tensor {
  if ('data' in matrix) return matrix;
  const data = memoryOf(sizeOf(matrix.shape));
  matrix.layInto(data);
  return { shape: matrix.shape, data };
}

/** An evaluation that leaves its large products to whoever runs it, and goes on with the answers. */
export type Asking<Result> = Generator<Product, Result, Tensor>;

/** Goes through with it naively. */
export function answered<Result>(asking: Asking<Result>): Result {
  let step = asking.next();
  while (step.done !== true) step = asking.next(product(laidOut(step.value.a), laidOut(step.value.b)));
  return step.value;
}

/** Goes through with it, products by `multiply`. */
export async function answeredBy<Result>(
  asking: Asking<Result>,
  multiply: (product: Product) => Promise<Tensor>,
): Promise<Result> {
  let step = asking.next();
  while (step.done !== true) step = asking.next(await multiply(step.value));
  return step.value;
}
