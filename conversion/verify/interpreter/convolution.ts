import type { Weight } from '../../keras/model.ts';
import { lastForm, ownForm } from './data-format.ts';
import {
  activated,
  type Evaluate,
  first,
  flag,
  type LayerInput,
  matrixOf,
  number,
  numbers,
  stored,
  variable,
} from './layer-input.ts';
import { type Asking, answered, type Laid } from './products.ts';
import { plus, sizeOf, type Tensor, tensorOf } from './tensor.ts';
import { outSizes, type Sliding, slide, windowOf } from './windows.ts';

/*
 * The innermost loops are functions of their own: inside of a closure what they work on is looked up anew for every number, and a large
 * function takes the compiler longer than its loops run.
 */

/** y[out, f] = sum over taps and channels of x[in, c] kernel[tap, c, f], in groups of channels, as it is written. */
function convolveInGroups(x: Tensor, kernel: Tensor, window: Sliding, groups: number): Tensor {
  const [batch, channels] = [x.shape[0] as number, x.shape.at(-1) as number];
  const sizes = x.shape.slice(1, -1);
  const filters = kernel.shape.at(-1) as number;
  const perGroup = channels / groups;
  const filtersPerGroup = filters / groups;
  const out = outSizes(sizes, window);
  const data = new Float64Array(batch * sizeOf(out) * filters);
  const [inPlaces, outPlaces] = [sizeOf(sizes), sizeOf(out)];
  for (let n = 0; n < batch; n++) {
    slide(sizes, window, ({ count, firstOut, firstInside, step, tap }) => {
      for (let i = 0; i < count; i++)
        for (let g = 0; g < groups; g++) {
          const at = (n * outPlaces + firstOut + i) * filters + g * filtersPerGroup;
          const source = (n * inPlaces + firstInside + i * step) * channels + g * perGroup;
          const row = tap * perGroup * filters + g * filtersPerGroup;
          addRows(data, at, filtersPerGroup, x.data, source, perGroup, kernel.data, row, filters);
        }
    });
  }
  return { shape: [batch, ...out, filters], data };
}

/** sums[at + f] += x[start + c] rows[row + c width + f], for `count` c and `length` f. */
function addRows(
  sums: Float64Array,
  at: number,
  length: number,
  x: Float64Array,
  start: number,
  count: number,
  rows: Float64Array,
  row: number,
  width: number,
): void {
  for (let c = 0; c < count; c++) {
    const value = x[start + c] as number;
    if (value === 0) continue;
    const from = row + c * width;
    for (let f = 0; f < length; f++)
      sums[at + f] = (sums[at + f] as number) + value * (rows[from + f] as number);
  }
}

/** Numbers beyond which the windows of one image are not laid out as a matrix: a quarter of a gigabyte. */
const mostLaidOut = 2 ** 25;

/** The window below each place that comes out as a row, [places, taps * channels], of image `n`; 0 where it lies outside. */
function windowsOf(x: Tensor, n: number, window: Sliding): Tensor | Laid {
  const channels = x.shape.at(-1) as number;
  const sizes = x.shape.slice(1, -1);
  const start = n * sizeOf(sizes) * channels;
  const width = sizeOf(window.kernel) * channels;
  const places = sizeOf(outSizes(sizes, window));
  const isWhole = [...window.kernel, ...window.strides].every((size) => size === 1);
  if (isWhole) return { shape: [places, width], data: x.data.subarray(start, start + places * channels) };
  const layInto = (memory: Float64Array) => {
    memory.fill(0);
    slide(sizes, window, ({ count, firstOut, firstInside, step, tap }) => {
      const [to, from] = [firstOut * width + tap * channels, start + firstInside * channels];
      copyPieces(memory, to, width, x.data, from, step * channels, count, channels);
    });
  };
  return { shape: [places, width], layInto };
}

/** `count` pieces of `length` numbers, which lie `stepTo` and `stepFrom` apart. */
function copyPieces(
  to: Float64Array,
  at: number,
  stepTo: number,
  from: Float64Array,
  start: number,
  stepFrom: number,
  count: number,
  length: number,
): void {
  for (let i = 0; i < count; i++)
    for (let c = 0, [p, q] = [at + i * stepTo, start + i * stepFrom]; c < length; c++)
      to[p + c] = from[q + c] as number;
}

/** The same by a product of matrices for each image, where the channels are in one group. */
function* convolve(x: Tensor, kernel: Weight, window: Sliding, groups: number): Asking<Tensor> {
  const batch = x.shape[0] as number;
  const filters = kernel.shape.at(-1) as number;
  const out = outSizes(x.shape.slice(1, -1), window);
  const depth = sizeOf(kernel.shape.slice(0, -1));
  if (groups !== 1 || sizeOf(out) * depth > mostLaidOut)
    return convolveInGroups(x, tensorOf(kernel), window, groups);
  const size = sizeOf(out) * filters;
  const b = matrixOf(kernel, [depth, filters]);
  if (batch === 1)
    return { shape: [1, ...out, filters], data: (yield { a: windowsOf(x, 0, window), b }).data };
  const data = new Float64Array(batch * size);
  for (let n = 0; n < batch; n++) data.set((yield { a: windowsOf(x, n, window), b }).data, n * size);
  return { shape: [batch, ...out, filters], data };
}

/** y[out, c * m + j] = sum over taps of x[in, c] kernel[tap, c, j]. */
function convolveDepthwise(x: Tensor, kernel: Tensor, window: Sliding): Tensor {
  const [batch, channels] = [x.shape[0] as number, x.shape.at(-1) as number];
  const sizes = x.shape.slice(1, -1);
  const multiplier = kernel.shape.at(-1) as number;
  const out = outSizes(sizes, window);
  const width = channels * multiplier;
  const data = new Float64Array(batch * sizeOf(out) * width);
  const [inPlaces, outPlaces] = [sizeOf(sizes), sizeOf(out)];
  for (let n = 0; n < batch; n++) {
    slide(sizes, window, ({ count, firstOut, firstInside, step, tap }) => {
      for (let i = 0; i < count; i++) {
        const at = (n * outPlaces + firstOut + i) * width;
        const source = (n * inPlaces + firstInside + i * step) * channels;
        if (multiplier === 1) addProducts(data, at, x.data, source, kernel.data, tap * width, channels);
        else addSpread(data, at, x.data, source, kernel.data, tap * width, channels, multiplier);
      }
    });
  }
  return { shape: [batch, ...out, width], data };
}

/** sums[at + c] += a[atA + c] b[atB + c]. */
function addProducts(
  sums: Float64Array,
  at: number,
  a: Float64Array,
  atA: number,
  b: Float64Array,
  atB: number,
  count: number,
): void {
  for (let c = 0; c < count; c++)
    sums[at + c] = (sums[at + c] as number) + (a[atA + c] as number) * (b[atB + c] as number);
}

/** The same where each of `a` goes with `multiplier` of `b`. */
function addSpread(
  sums: Float64Array,
  at: number,
  a: Float64Array,
  atA: number,
  b: Float64Array,
  atB: number,
  count: number,
  multiplier: number,
): void {
  for (let c = 0, f = 0; c < count; c++)
    for (let j = 0; j < multiplier; j++, f++)
      sums[at + f] = (sums[at + f] as number) + (a[atA + c] as number) * (b[atB + f] as number);
}

const biased = (input: LayerInput, y: Tensor): Tensor => {
  const bias = flag(input, 'use_bias', true) ? variable(input, 'bias') : undefined;
  if (bias === undefined) return y;
  if (bias.data.length !== y.shape.at(-1)) return plus(y, bias);
  // In place: nobody else has seen the sums.
  const [sums, biases] = [y.data, bias.data];
  for (let start = 0; start < sums.length; start += biases.length)
    for (let i = 0; i < biases.length; i++)
      sums[start + i] = (sums[start + i] as number) + (biases[i] as number);
  return y;
};

export const convolutionSteps = (rank: number) =>
  function* (input: LayerInput): Asking<Tensor> {
    const x = lastForm(input, first(input));
    const y = yield* convolve(
      x,
      stored(input, 'kernel'),
      windowOf(input, rank),
      number(input, ['groups'], 1),
    );
    return activated(ownForm(input, biased(input, y)), input);
  };

export const convolution =
  (rank: number): Evaluate =>
  (input) =>
    answered(convolutionSteps(rank)(input));

/** Each channel by its own kernels. */
const depthwiseSums = (input: LayerInput, rank: number): Tensor =>
  convolveDepthwise(
    lastForm(input, first(input)),
    variable(input, 'depthwise_kernel'),
    windowOf(input, rank),
  );

export const depthwise =
  (rank: number): Evaluate =>
  (input) => {
    const y = depthwiseSums(input, rank);
    return activated(ownForm(input, biased(input, y)), input);
  };

export const separableSteps = (rank: number) =>
  function* (input: LayerInput): Asking<Tensor> {
    const deep = depthwiseSums(input, rank);
    const ones = Array.from({ length: rank }, () => 1);
    const point = { kernel: ones, strides: ones, dilations: ones, padding: 'valid' };
    const y = yield* convolve(deep, stored(input, 'pointwise_kernel'), point, 1);
    return activated(ownForm(input, biased(input, y)), input);
  };

export const separable =
  (rank: number): Evaluate =>
  (input) =>
    answered(separableSteps(rank)(input));

/** The backward pass of a convolution over the larger side: each input place is spread over its window. */
export const transposed =
  (rank: number): Evaluate =>
  (input) => {
    const x = lastForm(input, first(input));
    const window = windowOf(input, rank);
    const kernel = variable(input, 'kernel');
    const [filters, channels] = kernel.shape.slice(-2) as [number, number];
    const extra = input.layer.config['output_padding'] ?? null;
    const extras = extra === null ? undefined : numbers(input, 'output_padding', rank, 0);
    const sizes = x.shape.slice(1, -1);
    const out = sizes.map((size, i) => {
      const [k, s, d] = [window.kernel[i], window.strides[i], window.dilations[i]] as [
        number,
        number,
        number,
      ];
      const span = (k - 1) * d + 1;
      if (extras === undefined)
        return window.padding === 'same' ? size * s : size * s + Math.max(span - s, 0);
      const cut = window.padding === 'same' ? 2 * Math.floor(span / 2) : 0;
      return (size - 1) * s + span - cut + (extras[i] as number);
    });
    const [batch, places, outPlaces] = [x.shape[0] as number, sizeOf(sizes), sizeOf(out)];
    const data = new Float64Array(batch * outPlaces * filters);
    for (let n = 0; n < batch; n++) {
      // `slide` over the output visits what comes out of the convolution that this one undoes, which is the input here.
      slide(out, window, ({ count, firstOut, firstInside, step, tap }) => {
        for (let i = 0; i < count && firstOut + i < places; i++) {
          const source = (n * places + firstOut + i) * channels;
          const at = (n * outPlaces + firstInside + i * step) * filters;
          addDots(data, at, filters, x.data, source, kernel.data, tap * filters * channels, channels);
        }
      });
    }
    return activated(ownForm(input, biased(input, { shape: [batch, ...out, filters], data })), input);
  };

/** sums[at + f] += the sum of x[start + c] rows[row + f width + c], for `length` f and `width` c. */
function addDots(
  sums: Float64Array,
  at: number,
  length: number,
  x: Float64Array,
  start: number,
  rows: Float64Array,
  row: number,
  width: number,
): void {
  for (let f = 0; f < length; f++) {
    let total = 0;
    for (let c = 0; c < width; c++) total += (x[start + c] as number) * (rows[row + f * width + c] as number);
    sums[at + f] = (sums[at + f] as number) + total;
  }
}
