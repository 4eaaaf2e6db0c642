import {
  activated,
  type Evaluate,
  first,
  flag,
  type LayerInput,
  number,
  numbers,
  optional,
  variable,
} from './layer-input.ts';
import { type Asking, answered } from './products.ts';
import { filled, mean, permute, picked, sizeOf, type Tensor, zip } from './tensor.ts';

/*
 * Layers over space. Everything is brought to [N, a, b, c, channels]: missing dimensions have size 1, so that one loop serves 1D to 3D.
 */

const channelsFirst = (input: LayerInput) => input.layer.config['data_format'] === 'channels_first';

/** Keras's form with the channels last. */
function lastForm(input: LayerInput, x: Tensor): Tensor {
  if (!channelsFirst(input)) return x;
  const rank = x.shape.length;
  return permute(x, [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1]);
}

/** Back to the layer's own form. */
function ownForm(input: LayerInput, y: Tensor): Tensor {
  if (!channelsFirst(input)) return y;
  const rank = y.shape.length;
  return permute(y, [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, i) => i + 1)]);
}

const three = (values: readonly number[], fill: number): [number, number, number] => {
  const all = [...Array.from({ length: 3 - values.length }, () => fill), ...values];
  return [all[0] as number, all[1] as number, all[2] as number];
};

interface Sliding {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly padding: string;
}

/** For one dimension: the size that comes out, and how far before the start the first window begins. */
function extent(size: number, window: Sliding, i: number): { out: number; before: number } {
  const [k, stride, dilation] = [window.kernel[i], window.strides[i], window.dilations[i]] as [
    number,
    number,
    number,
  ];
  const span = (k - 1) * dilation + 1;
  if (window.padding === 'valid') return { out: Math.floor((size - span) / stride) + 1, before: 0 };
  const out = Math.ceil(size / stride);
  if (window.padding === 'causal') return { out, before: span - 1 };
  return { out, before: Math.floor(Math.max((out - 1) * stride + span - size, 0) / 2) };
}

/** Visits every pair of an output place and an input place below its window. */
function slide(
  sizes: readonly number[],
  window: Sliding,
  visit: (out: number, inside: number, tap: number) => void,
): number[] {
  const [a, b, c] = three(sizes, 1);
  const k = three(window.kernel, 1);
  const s = three(window.strides, 1);
  const d = three(window.dilations, 1);
  const shape = three(
    sizes.map((size, i) => extent(size, window, i).out),
    1,
  );
  const before = three(
    sizes.map((size, i) => extent(size, window, i).before),
    0,
  );
  for (let i = 0; i < shape[0]; i++)
    for (let j = 0; j < shape[1]; j++)
      for (let l = 0; l < shape[2]; l++)
        for (let p = 0; p < k[0]; p++) {
          const x = i * s[0] + p * d[0] - before[0];
          if (x < 0 || x >= a) continue;
          for (let q = 0; q < k[1]; q++) {
            const y = j * s[1] + q * d[1] - before[1];
            if (y < 0 || y >= b) continue;
            for (let r = 0; r < k[2]; r++) {
              const z = l * s[2] + r * d[2] - before[2];
              if (z < 0 || z >= c) continue;
              visit((i * shape[1] + j) * shape[2] + l, (x * b + y) * c + z, (p * k[1] + q) * k[2] + r);
            }
          }
        }
  return shape.slice(3 - sizes.length);
}

const windowOf = (input: LayerInput, rank: number): Sliding => ({
  kernel: numbers(input, 'kernel_size', rank, 1),
  strides: numbers(input, 'strides', rank, 1),
  dilations: numbers(input, 'dilation_rate', rank, 1),
  padding: String(input.layer.config['padding'] ?? 'valid').toLowerCase(),
});

const outSizes = (sizes: readonly number[], window: Sliding) =>
  sizes.map((size, i) => extent(size, window, i).out);

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
  const [xs, ks] = [x.data, kernel.data];
  for (let n = 0; n < batch; n++) {
    slide(sizes, window, (to, from, tap) => {
      const at = (n * outPlaces + to) * filters;
      const source = (n * inPlaces + from) * channels;
      for (let g = 0; g < groups; g++) {
        const firstFilter = g * filtersPerGroup;
        for (let c = 0; c < perGroup; c++) {
          const value = xs[source + g * perGroup + c] as number;
          if (value === 0) continue;
          const row = (tap * perGroup + c) * filters + firstFilter;
          const target = at + firstFilter;
          for (let f = 0; f < filtersPerGroup; f++)
            data[target + f] = (data[target + f] as number) + value * (ks[row + f] as number);
        }
      }
    });
  }
  return { shape: [batch, ...out, filters], data };
}

/** Numbers beyond which the windows of one image are not laid out as a matrix: a quarter of a gigabyte. */
const mostLaidOut = 2 ** 25;

/** The window below each place that comes out as a row, [places, taps * channels], of image `n`; 0 where it lies outside. */
function windowsOf(x: Tensor, n: number, window: Sliding): Tensor {
  const channels = x.shape.at(-1) as number;
  const sizes = x.shape.slice(1, -1);
  const start = n * sizeOf(sizes) * channels;
  const width = sizeOf(window.kernel) * channels;
  const places = sizeOf(outSizes(sizes, window));
  const isWhole = [...window.kernel, ...window.strides].every((size) => size === 1);
  if (isWhole) return { shape: [places, width], data: x.data.subarray(start, start + places * channels) };
  const data = new Float64Array(places * width);
  slide(sizes, window, (to, from, tap) => {
    const source = start + from * channels;
    const target = to * width + tap * channels;
    for (let c = 0; c < channels; c++) data[target + c] = x.data[source + c] as number;
  });
  return { shape: [places, width], data };
}

/** The same by a product of matrices for each image, where the channels are in one group. */
function* convolve(x: Tensor, kernel: Tensor, window: Sliding, groups: number): Asking<Tensor> {
  const batch = x.shape[0] as number;
  const filters = kernel.shape.at(-1) as number;
  const out = outSizes(x.shape.slice(1, -1), window);
  const depth = kernel.data.length / filters;
  if (groups !== 1 || sizeOf(out) * depth > mostLaidOut) return convolveInGroups(x, kernel, window, groups);
  const size = sizeOf(out) * filters;
  const data = new Float64Array(batch * size);
  const b = { shape: [depth, filters], data: kernel.data };
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
    slide(sizes, window, (to, from, tap) => {
      const at = (n * outPlaces + to) * width;
      const source = (n * inPlaces + from) * channels;
      for (let c = 0; c < channels; c++)
        for (let j = 0; j < multiplier; j++)
          data[at + c * multiplier + j] =
            (data[at + c * multiplier + j] as number) +
            (x.data[source + c] as number) * (kernel.data[tap * width + c * multiplier + j] as number);
    });
  }
  return { shape: [batch, ...out, width], data };
}

const biased = (input: LayerInput, y: Tensor): Tensor => {
  const bias = flag(input, 'use_bias', true) ? variable(input, 'bias') : undefined;
  return bias === undefined ? y : zip(y, bias, (a, b) => a + b);
};

export const convolutionSteps = (rank: number) =>
  function* (input: LayerInput): Asking<Tensor> {
    const x = lastForm(input, first(input));
    const y = yield* convolve(
      x,
      variable(input, 'kernel'),
      windowOf(input, rank),
      number(input, ['groups'], 1),
    );
    return activated(ownForm(input, biased(input, y)), input);
  };

export const convolution =
  (rank: number): Evaluate =>
  (input) =>
    answered(convolutionSteps(rank)(input));

export const depthwise =
  (rank: number): Evaluate =>
  (input) => {
    const y = convolveDepthwise(
      lastForm(input, first(input)),
      variable(input, 'depthwise_kernel'),
      windowOf(input, rank),
    );
    return activated(ownForm(input, biased(input, y)), input);
  };

export const separableSteps = (rank: number) =>
  function* (input: LayerInput): Asking<Tensor> {
    const deep = convolveDepthwise(
      lastForm(input, first(input)),
      variable(input, 'depthwise_kernel'),
      windowOf(input, rank),
    );
    const ones = Array.from({ length: rank }, () => 1);
    const point = { kernel: ones, strides: ones, dilations: ones, padding: 'valid' };
    const y = yield* convolve(deep, variable(input, 'pointwise_kernel'), point, 1);
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
      // `slide` over the output visits (input place, output place, tap), as the convolution that this one undoes.
      slide(out, window, (from, to, tap) => {
        if (from >= places) return;
        const source = (n * places + from) * channels;
        const at = (n * outPlaces + to) * filters;
        for (let f = 0; f < filters; f++) {
          let total = 0;
          for (let c = 0; c < channels; c++)
            total +=
              (x.data[source + c] as number) * (kernel.data[(tap * filters + f) * channels + c] as number);
          data[at + f] = (data[at + f] as number) + total;
        }
      });
    }
    return activated(ownForm(input, biased(input, { shape: [batch, ...out, filters], data })), input);
  };

function pooled(x: Tensor, window: Sliding, kind: 'max' | 'mean'): Tensor {
  const [batch, channels] = [x.shape[0] as number, x.shape.at(-1) as number];
  const sizes = x.shape.slice(1, -1);
  const out = outSizes(sizes, window);
  const data = new Float64Array(batch * sizeOf(out) * channels).fill(
    kind === 'max' ? Number.NEGATIVE_INFINITY : 0,
  );
  const counts = new Float64Array(batch * sizeOf(out));
  const [inPlaces, outPlaces] = [sizeOf(sizes), sizeOf(out)];
  for (let n = 0; n < batch; n++) {
    slide(sizes, window, (to, from) => {
      const at = n * outPlaces + to;
      counts[at] = (counts[at] as number) + 1;
      for (let c = 0; c < channels; c++) {
        const value = x.data[(n * inPlaces + from) * channels + c] as number;
        const old = data[at * channels + c] as number;
        data[at * channels + c] = kind === 'max' ? Math.max(old, value) : old + value;
      }
    });
  }
  if (kind === 'mean')
    data.forEach((value, i) => {
      data[i] = value / (counts[Math.floor(i / channels)] as number);
    });
  return { shape: [batch, ...out, channels], data };
}

export const pooling =
  (kind: 'max' | 'mean', rank: number): Evaluate =>
  (input) => {
    const kernel = numbers(input, 'pool_size', rank, 2);
    const strides =
      (input.layer.config['strides'] ?? null) === null ? kernel : numbers(input, 'strides', rank, 2);
    const padding = String(input.layer.config['padding'] ?? 'valid').toLowerCase();
    const window = { kernel, strides, dilations: kernel.map(() => 1), padding };
    return ownForm(input, pooled(lastForm(input, first(input)), window, kind));
  };

export const adaptivePooling =
  (kind: 'max' | 'mean', rank: number): Evaluate =>
  (input) => {
    const x = lastForm(input, first(input));
    const out = numbers(input, 'output_size', rank, 1);
    const kernel = x.shape.slice(1, -1).map((size, i) => size / (out[i] as number));
    return ownForm(
      input,
      pooled(x, { kernel, strides: kernel, dilations: kernel.map(() => 1), padding: 'valid' }, kind),
    );
  };

export const globalPooling =
  (kind: 'max' | 'mean', rank: number): Evaluate =>
  (input) => {
    const x = lastForm(input, first(input));
    const keep = flag(input, 'keepdims', false);
    const axes = Array.from({ length: rank }, (_, i) => i + 1);
    const given = input.kwargs['mask'] as Tensor | null | undefined;
    const mask = given ?? first(input).mask;
    if (mask !== undefined && kind === 'mean' && rank === 1) {
      const weights: Tensor = { shape: [...mask.shape, 1], data: mask.data };
      const total = sumAlong(
        zip(x, weights, (a, b) => a * b),
        keep,
      );
      return zip(total, sumAlong(weights, keep), (a, b) => a / b);
    }
    if (kind === 'mean') return shaped(input, mean(x, axes, true), keep);
    const window = {
      kernel: x.shape.slice(1, -1),
      strides: axes.map(() => 1),
      dilations: axes.map(() => 1),
      padding: 'valid',
    };
    return shaped(input, pooled(x, window, 'max'), keep);
  };

function sumAlong(x: Tensor, keep: boolean): Tensor {
  const [batch, steps, width] = x.shape as [number, number, number];
  const out = filled(keep ? [batch, 1, width] : [batch, width], 0);
  for (let n = 0; n < batch; n++)
    for (let t = 0; t < steps; t++)
      for (let c = 0; c < width; c++)
        out.data[n * width + c] =
          (out.data[n * width + c] as number) + (x.data[(n * steps + t) * width + c] as number);
  return out;
}

const shaped = (input: LayerInput, y: Tensor, keep: boolean): Tensor =>
  keep ? ownForm(input, y) : { shape: [y.shape[0] as number, y.shape.at(-1) as number], data: y.data };

const edges = (input: LayerInput, key: string, rank: number): [number, number][] => {
  const value = input.layer.config[key] ?? 1;
  if (!Array.isArray(value)) return Array.from({ length: rank }, () => [Number(value), Number(value)]);
  if (rank === 1 && value.length === 2) return [[Number(value[0]), Number(value[1])]];
  return value.map((edge) =>
    Array.isArray(edge) ? [Number(edge[0]), Number(edge[1])] : [Number(edge), Number(edge)],
  );
};

/** Each dimension of space by the places of the input that it takes; -1 is zero. */
function placed(input: LayerInput, places: (size: number, i: number) => number[]): Tensor {
  let x = lastForm(input, first(input));
  const rank = x.shape.length - 2;
  for (let i = 0; i < rank; i++) {
    const size = x.shape[i + 1] as number;
    const zero = filled(
      x.shape.map((dim, axis) => (axis === i + 1 ? 1 : dim)),
      0,
    );
    x = picked(
      glued(x, zero, i + 1),
      i + 1,
      places(size, i).map((place) => (place < 0 ? size : place)),
    );
  }
  return ownForm(input, x);
}

function glued(a: Tensor, b: Tensor, axis: number): Tensor {
  const outer = sizeOf(a.shape.slice(0, axis));
  const [runA, runB] = [a.data.length / outer, b.data.length / outer];
  const data = new Float64Array(a.data.length + b.data.length);
  for (let n = 0; n < outer; n++) {
    data.set(a.data.subarray(n * runA, (n + 1) * runA), n * (runA + runB));
    data.set(b.data.subarray(n * runB, (n + 1) * runB), n * (runA + runB) + runA);
  }
  return { shape: a.shape.map((dim, i) => (i === axis ? dim + (b.shape[i] as number) : dim)), data };
}

const range = (count: number, f: (i: number) => number) => Array.from({ length: count }, (_, i) => f(i));

export const zeroPadding =
  (rank: number): Evaluate =>
  (input) => {
    const pads = edges(input, 'padding', rank);
    return placed(input, (size, i) => {
      const [before, after] = pads[i] as [number, number];
      return range(before + size + after, (at) => (at < before || at >= before + size ? -1 : at - before));
    });
  };

export const cropping =
  (rank: number): Evaluate =>
  (input) => {
    const cuts = edges(input, 'cropping', rank);
    return placed(input, (size, i) => {
      const [before, after] = cuts[i] as [number, number];
      return range(size - before - after, (at) => at + before);
    });
  };

export const centerCrop: Evaluate = (input) => {
  const wanted = [number(input, ['height'], 0), number(input, ['width'], 0)];
  return placed(input, (size, i) => {
    const start = Math.floor((size - (wanted[i] as number)) / 2);
    return range(wanted[i] as number, (at) => at + start);
  });
};

/** Between places: pixel centres lie at (i + 0.5) * in / out - 0.5, the edge is repeated. */
function interpolated(x: Tensor, axis: number, size: number): Tensor {
  const full = x.shape[axis] as number;
  const at = range(size, (i) => ((i + 0.5) * full) / size - 0.5);
  const low = at.map((v) => Math.min(Math.max(Math.floor(v), 0), full - 1));
  const high = at.map((v) => Math.min(Math.max(Math.floor(v) + 1, 0), full - 1));
  const share: Tensor = {
    shape: x.shape.map((_, i) => (i === axis ? size : 1)),
    data: Float64Array.from(at, (v) => v - Math.floor(v)),
  };
  const [a, b] = [picked(x, axis, low), picked(x, axis, high)];
  const rise = zip(
    zip(b, a, (p, q) => p - q),
    share,
    (p, q) => p * q,
  );
  return zip(a, rise, (p, q) => p + q);
}

export const upSampling =
  (rank: number): Evaluate =>
  (input) => {
    const factors = numbers(input, 'size', rank, 2);
    if (input.layer.config['interpolation'] === 'bilinear') {
      let x = lastForm(input, first(input));
      factors.forEach((factor, i) => {
        x = interpolated(x, i + 1, (x.shape[i + 1] as number) * factor);
      });
      return ownForm(input, x);
    }
    return placed(input, (size, i) =>
      range(size * (factors[i] as number), (at) => Math.floor(at / (factors[i] as number))),
    );
  };

export const resizing: Evaluate = (input) => {
  const wanted = [number(input, ['height'], 0), number(input, ['width'], 0)] as const;
  if (String(input.layer.config['interpolation'] ?? 'bilinear').toLowerCase() === 'nearest') {
    return placed(input, (size, i) =>
      range(wanted[i] as number, (at) =>
        Math.min(Math.floor(((at + 0.5) * size) / (wanted[i] as number)), size - 1),
      ),
    );
  }
  const x = lastForm(input, first(input));
  return ownForm(input, interpolated(interpolated(x, 1, wanted[0]), 2, wanted[1]));
};

/** Keras `Flatten`; channels go last before. */
export const flatten: Evaluate = (input) => {
  const x = lastForm(input, first(input));
  return { shape: [x.shape[0] as number, sizeOf(x.shape.slice(1))], data: x.data };
};

/** The learnt statistics of training, along one axis. */
export const batchNormalization: Evaluate = (input) => {
  const x = first(input);
  const wanted = input.layer.config['axis'] ?? -1;
  const axis = Number(Array.isArray(wanted) ? wanted[0] : wanted);
  const at = axis < 0 ? axis + x.shape.length : axis;
  const epsilon = number(input, ['epsilon'], 1e-3);
  const [mu, spread] = [variable(input, 'moving_mean').data, variable(input, 'moving_variance').data];
  const gamma = flag(input, 'scale', true) ? optional(input, 'gamma')?.data : undefined;
  const beta = flag(input, 'center', true) ? optional(input, 'beta')?.data : undefined;
  const deviation = spread.map((v) => Math.sqrt(v + epsilon));
  const inside = sizeOf(x.shape.slice(at + 1));
  const data = new Float64Array(x.data.length);
  for (let i = 0; i < data.length; i++) {
    const c = Math.floor(i / inside) % mu.length;
    const centred = ((x.data[i] as number) - (mu[c] as number)) / (deviation[c] as number);
    data[i] = centred * (gamma?.[c] ?? 1) + (beta?.[c] ?? 0);
  }
  return { shape: x.shape, data };
};
