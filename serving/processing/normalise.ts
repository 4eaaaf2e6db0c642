interface Normalisation {
  readonly scale: number;
  readonly offset: number;
  readonly mean: number;
  readonly std: number;
}

const { fround } = Math;

/**
 * `(value * scale + offset - mean) / std`, rounded to float32 after each step as Keras's layers round it. Where that changes nothing
 * the value stays as it is: a whole number may have more digits than float32.
 */
export function normaliser({ scale, offset, mean, std }: Normalisation): (value: number) => number {
  if (scale === 1 && offset === 0 && mean === 0 && std === 1) return (value) => value;
  const [a, b, m, s] = [scale, offset, mean, std].map(fround) as [number, number, number, number];
  return (value) => fround(fround(fround(fround(fround(value) * a) + b) - m) / s);
}

const { MAX_VALUE } = Number;
const mostFloat32 = (2 - 2 ** -23) * 2 ** 127;

/** The least and the greatest value of each type, as far as a number of JavaScript holds them. */
const bounds = {
  float32: [-mostFloat32, mostFloat32],
  float64: [-MAX_VALUE, MAX_VALUE],
  uint8: [0, 255],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int64: [-(2 ** 63), 2 ** 63 - 1024],
} as const;

/** Room for the numbers of one input; numbers are cut to integers where the model takes those. */
export class Numbers {
  readonly dtype: keyof typeof arrays;
  readonly data: Float32Array | Float64Array | Uint8Array | Int32Array | BigInt64Array;

  constructor(dtype: string, count: number) {
    this.dtype = dtype as keyof typeof arrays;
    this.data = new arrays[this.dtype](count);
  }

  /** Whether the type has room for a value; `set` takes the nearest that it has room for. */
  holds(value: number): boolean {
    const [least, most] = bounds[this.dtype];
    return value >= least && value <= most;
  }

  set(at: number, value: number): void {
    const { data, dtype } = this;
    if (data instanceof Float32Array || data instanceof Float64Array) {
      data[at] = value;
      return;
    }
    const [least, most] = bounds[dtype];
    const whole = Math.trunc(Math.min(Math.max(value, least), most));
    if (data instanceof BigInt64Array) data[at] = BigInt(whole);
    else data[at] = whole;
  }
}

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  uint8: Uint8Array,
  int32: Int32Array,
  int64: BigInt64Array,
} as const;
