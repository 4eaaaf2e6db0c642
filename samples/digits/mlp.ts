/** Seeded numbers in [0, 1) (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const inputs = 784;
const hidden = 128;
const classes = 10;
const batchRows = 32;
const dropoutRate = 0.2;
/** Small: it starts from weights that are good already. */
const learningRate = 3e-4;

/** Adam (Kingma and Ba, 2015) on one array of weights. */
class Adam {
  readonly weights: Float32Array;
  readonly gradient: Float32Array;
  readonly #mean: Float32Array;
  readonly #square: Float32Array;

  constructor(weights: Float32Array) {
    this.weights = weights;
    this.gradient = new Float32Array(weights.length);
    this.#mean = new Float32Array(weights.length);
    this.#square = new Float32Array(weights.length);
  }

  /** One step, number `step` from 1 on; the gradient is zero again afterwards. */
  step(step: number): void {
    const rate = (learningRate * Math.sqrt(1 - 0.999 ** step)) / (1 - 0.9 ** step);
    const { weights, gradient } = this;
    for (let i = 0; i < weights.length; i++) {
      const g = gradient[i] as number;
      const mean = 0.9 * (this.#mean[i] as number) + 0.1 * g;
      const square = 0.999 * (this.#square[i] as number) + 0.001 * g * g;
      this.#mean[i] = mean;
      this.#square[i] = square;
      weights[i] = (weights[i] as number) - (rate * mean) / (Math.sqrt(square) + 1e-7);
      gradient[i] = 0;
    }
  }
}

/** 784 -> Dense 128 relu -> Dropout 0.2 -> Dense 10 softmax, trained by cross-entropy; skips pixels that are black. */
export class Mlp {
  readonly #random: () => number;
  readonly #kernel1: Adam;
  readonly #bias1: Adam;
  readonly #kernel2: Adam;
  readonly #bias2: Adam;
  #steps = 0;

  /** @param weights kernel [784,128], bias [128], kernel [128,10], bias [10]; Glorot uniform where left out */
  constructor(seed: number, weights?: readonly Float32Array[]) {
    this.#random = seeded(seed);
    const glorot = (rows: number, columns: number) => {
      const limit = Math.sqrt(6 / (rows + columns));
      return Float32Array.from({ length: rows * columns }, () => (2 * this.#random() - 1) * limit);
    };
    this.#kernel1 = new Adam(weights?.[0]?.slice() ?? glorot(inputs, hidden));
    this.#bias1 = new Adam(weights?.[1]?.slice() ?? new Float32Array(hidden));
    this.#kernel2 = new Adam(weights?.[2]?.slice() ?? glorot(hidden, classes));
    this.#bias2 = new Adam(weights?.[3]?.slice() ?? new Float32Array(classes));
  }

  get weights(): readonly [Float32Array, Float32Array, Float32Array, Float32Array] {
    return [this.#kernel1.weights, this.#bias1.weights, this.#kernel2.weights, this.#bias2.weights];
  }

  /** One pass over `rows` rows in random order. @returns the mean loss */
  epoch(rows: number, row: (index: number) => { x: Float64Array; label: number }): number {
    const order = Uint32Array.from({ length: rows }, (_, i) => i);
    for (let i = rows - 1; i > 0; i--) {
      const j = Math.floor(this.#random() * (i + 1));
      [order[i], order[j]] = [order[j] as number, order[i] as number];
    }
    let loss = 0;
    for (let start = 0; start < rows; start += batchRows) {
      const count = Math.min(batchRows, rows - start);
      for (let i = 0; i < count; i++) {
        const { x, label } = row(order[start + i] as number);
        loss += this.#accumulate(x, label, count);
      }
      this.#steps += 1;
      for (const part of [this.#kernel1, this.#bias1, this.#kernel2, this.#bias2]) part.step(this.#steps);
    }
    return loss / rows;
  }

  /** Adds one row's share of a batch to the gradients. @returns its loss */
  #accumulate(x: Float64Array, label: number, batch: number): number {
    const [kernel1, bias1, kernel2, bias2] = this.weights;
    const lit: number[] = [];
    const a = Float64Array.from(bias1);
    for (let i = 0; i < inputs; i++) {
      const pixel = x[i] as number;
      if (pixel === 0) continue;
      lit.push(i);
      for (let j = 0; j < hidden; j++) a[j] = (a[j] as number) + pixel * (kernel1[i * hidden + j] as number);
    }
    for (let j = 0; j < hidden; j++) {
      const kept = (a[j] as number) > 0 && this.#random() >= dropoutRate;
      a[j] = kept ? (a[j] as number) / (1 - dropoutRate) : 0;
    }
    const z = Float64Array.from(bias2);
    for (let j = 0; j < hidden; j++)
      for (let k = 0; k < classes; k++)
        z[k] = (z[k] as number) + (a[j] as number) * (kernel2[j * classes + k] as number);
    const max = Math.max(...z);
    const total = z.reduce((sum, value) => sum + Math.exp(value - max), 0);
    const p = z.map((value) => Math.exp(value - max) / total);
    const loss = -Math.log(Math.max(p[label] as number, 1e-12));
    p[label] = (p[label] as number) - 1;
    const error = new Float64Array(hidden);
    for (let k = 0; k < classes; k++) {
      const d = (p[k] as number) / batch;
      this.#bias2.gradient[k] = (this.#bias2.gradient[k] as number) + d;
      for (let j = 0; j < hidden; j++) {
        if (a[j] === 0) continue;
        const at = j * classes + k;
        this.#kernel2.gradient[at] = (this.#kernel2.gradient[at] as number) + d * (a[j] as number);
        error[j] = (error[j] as number) + (d * (kernel2[at] as number)) / (1 - dropoutRate);
      }
    }
    for (let j = 0; j < hidden; j++) {
      const e = error[j] as number;
      if (e === 0) continue;
      this.#bias1.gradient[j] = (this.#bias1.gradient[j] as number) + e;
      for (const i of lit) {
        const at = i * hidden + j;
        this.#kernel1.gradient[at] = (this.#kernel1.gradient[at] as number) + e * (x[i] as number);
      }
    }
    return loss;
  }
}
