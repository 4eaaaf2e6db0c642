import { GraphBuilder, type ModelProto } from '../onnx/index.ts';
import { type Laid, laidOut, type Product } from './interpreter/products.ts';
import { product as multiplied, type Tensor } from './interpreter/tensor.ts';
import { seededRandom } from './random.ts';
import { runtime } from './runtime.ts';
import { openModel } from './session.ts';

/** Multiplications below which a call costs more than they do. */
const fewest = 2 ** 20;
/** Of the largest sum: what the order of float64 sums changes, and nothing else does. */
const tolerance = 1e-9;

function multiplier(): ModelProto {
  const graph = new GraphBuilder();
  const [a, b] = ['a', 'b'].map((name) => graph.input(name, 'float64', [-1, -1]));
  graph.output('y', graph.node('MatMul', [a!, b!], { name: 'product', shape: [-1, -1] }));
  return graph.build('product');
}

/** Of the row that begins at `at`, and v. */
function dot(row: Float64Array, at: number, v: Float64Array): number {
  // Four sums: each waits for its last addition. Taken apart from a list they would be boxed at every one.
  let p = 0;
  let q = 0;
  let r = 0;
  let s = 0;
  let j = 0;
  for (; j + 3 < v.length; j += 4) {
    p += (row[at + j] as number) * (v[j] as number);
    q += (row[at + j + 1] as number) * (v[j + 1] as number);
    r += (row[at + j + 2] as number) * (v[j + 2] as number);
    s += (row[at + j + 3] as number) * (v[j + 3] as number);
  }
  for (; j < v.length; j++) p += (row[at + j] as number) * (v[j] as number);
  return p + q + (r + s);
}

/** x v for a matrix [rows, columns]. */
function applied({ shape, data }: Tensor, v: Float64Array): Float64Array {
  const sums = new Float64Array(shape[0] as number);
  for (let i = 0; i < sums.length; i++) sums[i] = dot(data, i * v.length, v);
  return sums;
}

/** The largest of |x| |v|, by which rounding is judged. */
function largestSize({ data }: Tensor, v: Float64Array): number {
  let largest = 0;
  for (let at = 0; at < data.length; ) {
    let size = 0;
    for (let j = 0; j < v.length; j++, at++) size += Math.abs((data[at] as number) * (v[j] as number));
    if (size > largest) largest = size;
  }
  return largest;
}

/**
 * Freivalds' check: whether `y` is `a b`, by what both make of a random vector, worked out in plain numbers.
 * @see https://en.wikipedia.org/wiki/Freivalds%27_algorithm
 */
export function isProduct(y: Tensor, { a, b }: Record<keyof Product, Tensor>): boolean {
  const random = seededRandom(y.data.length);
  const v = Float64Array.from({ length: b.shape[1] as number }, () => random() - 0.5);
  const inner = applied(b, v);
  const expected = applied(a, inner);
  const seen = applied(y, v);
  let [off, largest] = [0, 0];
  for (let i = 0; i < seen.length; i++) {
    const difference = Math.abs((seen[i] as number) - (expected[i] as number));
    // Numbers that are none, and sums without end, can be judged by no other: they are for the naive product.
    if (!Number.isFinite(difference)) return false;
    off = Math.max(off, difference);
    largest = Math.max(largest, Math.abs(expected[i] as number));
  }
  // The sums are at most as large as what was added up, which takes another look at all of it.
  return off <= tolerance * largest || off <= tolerance * largestSize(a, inner);
}

/**
 * Large products in float64 by the runtime, some twenty times faster than plain loops. None is believed: each is checked by one
 * that is worked out here, and worked out naively where the check fails.
 */
export class RuntimeProducts {
  #session: ReturnType<typeof openModel> | undefined;
  /** Fresh memory costs more than what is written to it: one product has the last one's. */
  readonly #memory = { a: new Float64Array(), b: new Float64Array() };

  #laidOut(side: keyof Product, matrix: Tensor | Laid): Tensor {
    return laidOut(matrix, (length) => {
      if (this.#memory[side].length < length) this.#memory[side] = new Float64Array(length);
      return this.#memory[side].subarray(0, length);
    });
  }

  readonly multiply = async (product: Product): Promise<Tensor> => {
    const [a, b] = [this.#laidOut('a', product.a), this.#laidOut('b', product.b)];
    const [rows, inner] = a.shape as [number, number];
    const columns = b.shape[1] as number;
    if (rows * inner * columns < fewest) return multiplied(a, b);
    // An arena would keep the largest products' memory beside the session that is judged.
    this.#session ??= openModel(multiplier(), { enableCpuMemArena: false });
    const session = await this.#session;
    const { Tensor: RuntimeTensor } = runtime();
    const { y } = await session.run({
      a: new RuntimeTensor('float64', a.data, [rows, inner]),
      b: new RuntimeTensor('float64', b.data, [inner, columns]),
    });
    const found = { shape: [rows, columns], data: y!.data as Float64Array };
    return isProduct(found, { a, b }) ? found : multiplied(a, b);
  };

  async release(): Promise<void> {
    await (await this.#session)?.release();
  }
}
