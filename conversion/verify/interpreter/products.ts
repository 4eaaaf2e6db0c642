import { product, type Tensor } from './tensor.ts';

/** Two matrices, [rows, inner] and [inner, columns], whose product an evaluation asks for. */
export interface Product {
  readonly a: Tensor;
  readonly b: Tensor;
}

/** An evaluation that leaves its large products to whoever runs it, and goes on with the answers. */
export type Asking<Result> = Generator<Product, Result, Tensor>;

/** Goes through with it naively. */
export function answered<Result>(asking: Asking<Result>): Result {
  let step = asking.next();
  while (step.done !== true) step = asking.next(product(step.value.a, step.value.b));
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
