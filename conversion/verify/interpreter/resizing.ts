import { lastForm, ownForm } from './data-format.ts';
import { type Evaluate, first, type LayerInput, number, numbers } from './layer-input.ts';
import { placed, range } from './padding.ts';
import { cut, filled, joined, sizeOf, type Tensor } from './tensor.ts';

/*
 * Images of another size, one axis after the other. Written from what TensorFlow's kernels do (resize_bilinear_op, resize_bicubic_op,
 * resize_area_op, scale_and_translate_op), pixel by pixel.
 */

const single = Math.fround;

/** Distance from the sampled place (in pixels of the input) to weight. */
const kernels: Readonly<Record<string, readonly [reach: number, weight: (d: number) => number]>> = {
  bilinear: [1, (d) => Math.max(1 - d, 0)],
  bicubic: [2, keys],
  gaussian: [1.5, (d) => (d < 1.5 ? Math.exp(-2 * d ** 2) : 0)],
  lanczos3: [3, (d) => sinc(d) * sinc(d / 3)],
  lanczos5: [5, (d) => sinc(d) * sinc(d / 5)],
  mitchellcubic: [2, mitchell],
};

/** Keys's cubic with a = -1/2. */
function keys(d: number): number {
  if (d < 1) return 1.5 * d ** 3 - 2.5 * d ** 2 + 1;
  return d < 2 ? -0.5 * d ** 3 + 2.5 * d ** 2 - 4 * d + 2 : 0;
}

/** Mitchell and Netravali's cubic with B = C = 1/3. */
function mitchell(d: number): number {
  if (d < 1) return (7 * d ** 3 - 12 * d ** 2 + 16 / 3) / 6;
  return d < 2 ? ((-7 / 3) * d ** 3 + 12 * d ** 2 - 20 * d + 32 / 3) / 6 : 0;
}

const sinc = (d: number): number => (Math.abs(d) < 1e-3 ? 1 : Math.sin(Math.PI * d) / (Math.PI * d));

type Taps = Map<number, number>;

/** Pixels that count for place `at`, and how much: together 1. */
function tapsOf(way: string, smooth: boolean, at: number, full: number, size: number): Taps {
  if (way === 'area') return covered(at, full, size);
  if (way === 'bicubic' && !smooth) return tabulated(at, full, size);
  const kernel = kernels[way];
  if (kernel === undefined) throw new Error(`the reference does not know the interpolation '${way}'`);
  const [reach, weight] = kernel;
  const step = single(1 / single(size / full));
  const spread = smooth && step > 1 ? step : 1;
  const centre = single((at + 0.5) * step);
  const taps: Taps = new Map();
  for (let pixel = 0; pixel < full; pixel++) {
    const away = Math.abs(pixel + 0.5 - centre);
    if (away <= reach * spread) taps.set(pixel, weight(away / spread));
  }
  return normalized(taps);
}

/** Without smoothing, a bicubic weight comes from a table of 1024 places between two pixels. */
function tabulated(at: number, full: number, size: number): Taps {
  const centre = single(single((at + 0.5) * single(full / size)) - 0.5);
  const base = Math.floor(centre);
  const exact = (centre - base) * 1024;
  const low = Math.floor(exact);
  const rest = exact - low;
  const entry = rest > 0.5 || (rest === 0.5 && low % 2 === 1) ? low + 1 : low;
  const taps: Taps = new Map();
  for (let offset = -1; offset <= 2; offset++) {
    const pixel = base + offset;
    if (pixel >= 0 && pixel < full) taps.set(pixel, keys(Math.abs(offset - entry / 1024)));
  }
  return normalized(taps);
}

/** The mean over what the new pixel covers of the old ones. */
function covered(at: number, full: number, size: number): Taps {
  const step = single(full / size);
  const from = single(at * step);
  const to = single((at + 1) * step);
  const taps: Taps = new Map();
  for (let pixel = Math.floor(from); pixel < to; pixel++) {
    const inside = Math.min(pixel + 1, to) - Math.max(pixel, from);
    const clamped = Math.min(pixel, full - 1);
    taps.set(clamped, (taps.get(clamped) ?? 0) + inside / step);
  }
  return taps;
}

function normalized(taps: Taps): Taps {
  const total = [...taps.values()].reduce((a, b) => a + b, 0);
  return total === 0 ? taps : new Map([...taps].map(([pixel, weight]) => [pixel, weight / total]));
}

/** Between places: pixel centres lie at (i + 0.5) * in / out - 0.5, the edge is repeated. */
function between(at: number, full: number, size: number): Taps {
  const centre = ((at + 0.5) * full) / size - 0.5;
  const low = Math.floor(centre);
  const clamp = (pixel: number) => Math.min(Math.max(pixel, 0), full - 1);
  const taps: Taps = new Map([[clamp(low), 1 - (centre - low)]]);
  taps.set(clamp(low + 1), (taps.get(clamp(low + 1)) ?? 0) + (centre - low));
  return taps;
}

/** Every new place of an axis as a sum of old ones. */
function blended(x: Tensor, axis: number, places: readonly Taps[]): Tensor {
  const full = x.shape[axis] as number;
  const inner = sizeOf(x.shape.slice(axis + 1));
  const outer = sizeOf(x.shape.slice(0, axis));
  const y = filled(
    x.shape.map((dim, i) => (i === axis ? places.length : dim)),
    0,
  );
  for (let n = 0; n < outer; n++)
    places.forEach((taps, at) => {
      for (const [pixel, weight] of taps)
        for (let k = 0; k < inner; k++) {
          const to = (n * places.length + at) * inner + k;
          y.data[to] = (y.data[to] as number) + weight * (x.data[(n * full + pixel) * inner + k] as number);
        }
    });
  return y;
}

/** What the wanted shape makes of the image's sides, with Keras's float32. */
function sidesFor(x: Tensor, [height, width]: readonly [number, number]): [number, number] {
  const [fullHeight, fullWidth] = x.shape.slice(1, 3) as [number, number];
  return [
    Math.trunc(single(single(fullWidth * height) / width)),
    Math.trunc(single(single(fullHeight * width) / height)),
  ];
}

function cutToShape(x: Tensor, size: readonly [number, number]): Tensor {
  let y = x;
  sidesFor(x, size).forEach((side, i) => {
    const full = x.shape[i + 1] as number;
    const kept = Math.max(1, Math.min(side, full));
    const start = Math.trunc((full - kept) / 2);
    y = cut(y, i + 1, start, start + kept);
  });
  return y;
}

function paddedToShape(x: Tensor, size: readonly [number, number], fill: number): Tensor {
  let y = x;
  sidesFor(x, size).forEach((side, i) => {
    const amount = Math.trunc(Math.max(0, side - (x.shape[i + 1] as number)) / 2);
    if (amount === 0) return;
    const edge = filled(
      y.shape.map((dim, axis) => (axis === i + 1 ? amount : dim)),
      fill,
    );
    y = joined([edge, y, edge], i + 1);
  });
  return y;
}

/** [N, height, width, channels] in another size. */
export function resized(x: Tensor, size: readonly [number, number], way: string, smooth: boolean): Tensor {
  const [height, width] = x.shape.slice(1, 3) as [number, number];
  if (height === size[0] && width === size[1]) return x;
  const along = (y: Tensor, axis: number, full: number, wanted: number) =>
    blended(
      y,
      axis,
      range(wanted, (at) => {
        if (way === 'nearest')
          return new Map([[Math.min(Math.floor(((at + 0.5) * full) / wanted), full - 1), 1]]);
        return way === 'bilinear' && !smooth
          ? between(at, full, wanted)
          : tapsOf(way, smooth, at, full, wanted);
      }),
    );
  return along(along(x, 1, height, size[0]), 2, width, size[1]);
}

/** An image in another size, its shape kept by cutting or padding where that is asked for. */
export function resizedInShape(
  input: LayerInput,
  x: Tensor,
  size: readonly [number, number],
  option: (key: string) => unknown,
): Tensor {
  const way = String(option('interpolation') ?? option('method') ?? 'bilinear').toLowerCase();
  const crops = option('crop_to_aspect_ratio') === true;
  const pads = option('pad_to_aspect_ratio') === true;
  let y = lastForm(input, x);
  if (crops) y = cutToShape(y, size);
  else if (pads) y = paddedToShape(y, size, Number(option('fill_value') ?? 0));
  return ownForm(input, resized(y, size, way, option('antialias') === true));
}

const sizeIn = (input: LayerInput) => [number(input, ['height'], 0), number(input, ['width'], 0)] as const;

export const resizing: Evaluate = (input) =>
  resizedInShape(input, first(input), sizeIn(input), (key) => input.layer.config[key]);

export const centerCrop: Evaluate = (input) => {
  const wanted = sizeIn(input);
  const [height, width] = lastForm(input, first(input)).shape.slice(1, 3) as [number, number];
  if (height < wanted[0] || width < wanted[1]) {
    const x = cutToShape(lastForm(input, first(input)), wanted);
    return ownForm(input, resized(x, wanted, 'bilinear', false));
  }
  return placed(input, (size, i) => {
    const start = Math.floor((size - (wanted[i] as number)) / 2);
    return range(wanted[i] as number, (at) => at + start);
  });
};

export const upSampling =
  (rank: number): Evaluate =>
  (input) => {
    const factors = numbers(input, 'size', rank, 2);
    const way = String(input.layer.config['interpolation'] ?? 'nearest');
    if (way === 'nearest')
      return placed(input, (size, i) =>
        range(size * (factors[i] as number), (at) => Math.floor(at / (factors[i] as number))),
      );
    const x = lastForm(input, first(input));
    const size = factors.map((factor, i) => factor * (x.shape[i + 1] as number)) as [number, number];
    return ownForm(input, resized(x, size, way, false));
  };
