interface Normalisation {
  readonly scale: number;
  readonly offset: number;
  readonly mean: number;
  readonly std: number;
}

const { fround } = Math;

/** `(value * scale + offset - mean) / std`, rounded to float32 after each step as Keras's layers round it. */
export function normaliser({ scale, offset, mean, std }: Normalisation): (value: number) => number {
  const [a, b, m, s] = [scale, offset, mean, std].map(fround) as [number, number, number, number];
  return (value) => fround(fround(fround(fround(fround(value) * a) + b) - m) / s);
}

const bounds = { uint8: [0, 255], int32: [-(2 ** 31), 2 ** 31 - 1] } as const;

/** Room for the numbers of one input; numbers are cut to integers where the model takes those. */
export class Numbers {
  readonly data: Float32Array | Float64Array | Uint8Array | Int32Array | BigInt64Array;

  constructor(dtype: string, count: number) {
    this.data = new arrays[dtype as keyof typeof arrays](count);
  }

  set(at: number, value: number): void {
    const { data } = this;
    if (data instanceof BigInt64Array) data[at] = BigInt(Math.trunc(value));
    else if (data instanceof Uint8Array)
      data[at] = Math.min(Math.max(value, bounds.uint8[0]), bounds.uint8[1]);
    else if (data instanceof Int32Array)
      data[at] = Math.min(Math.max(value, bounds.int32[0]), bounds.int32[1]);
    else data[at] = value;
  }
}

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  uint8: Uint8Array,
  int32: Int32Array,
  int64: BigInt64Array,
} as const;
