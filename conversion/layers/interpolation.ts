/*
 * TensorFlow's ways to make images of another size, as weights. All of them work on one axis after the other, so that a resized image is
 * `rows @ image @ columns`; the arithmetic of the places is float32, as TensorFlow's is.
 * @see https://www.tensorflow.org/api_docs/python/tf/image/resize
 */

const { fround } = Math;

/** A filter: how much a pixel counts at a distance (in pixels) from the sampled place, and where it ends. */
interface Filter {
  readonly radius: number;
  readonly weigh: (distance: number) => number;
}

/** A cubic with its pieces for distances below 1 and from 1 to 2. */
const cubic = (near: (x: number) => number, far: (x: number) => number): Filter => ({
  radius: 2,
  weigh: (x) => (x >= 2 ? 0 : x >= 1 ? far(x) : near(x)),
});

const lanczos = (radius: number): Filter => ({
  radius,
  weigh(x) {
    if (x > radius) return 0;
    const angle = Math.PI * x;
    return x <= 1e-3 ? 1 : (radius * Math.sin(angle) * Math.sin(angle / radius)) / (angle * angle);
  },
});

/** By the names that Keras gives them; `bilinear` and `bicubic` only where the image is smoothed before it is made smaller. */
const filters: Readonly<Record<string, Filter>> = {
  bilinear: { radius: 1, weigh: (x) => Math.max(0, 1 - x) },
  bicubic: cubic(
    (x) => (1.5 * x - 2.5) * x * x + 1,
    (x) => ((-0.5 * x + 2.5) * x - 4) * x + 2,
  ),
  gaussian: { radius: 1.5, weigh: (x) => (x >= 1.5 ? 0 : Math.exp((-x * x) / (2 * 0.5 * 0.5))) },
  lanczos3: lanczos(3),
  lanczos5: lanczos(5),
  mitchellcubic: cubic(
    (x) => ((7 * x) / 6 - 2) * x * x + 8 / 9,
    (x) => (((-7 * x) / 18 + 2) * x - 10 / 3) * x + 16 / 9,
  ),
};

/** Shares of the pixels of a row of `from` in one pixel. */
type Shares = (at: number, from: number, to: number) => readonly { readonly place: number; share: number }[];

const whole = (shares: { place: number; share: number }[]) => {
  const sum = shares.reduce((total, { share }) => total + share, 0);
  if (Math.abs(sum) > 1e-30) for (const one of shares) one.share /= sum;
  return shares;
};

const places = (first: number, last: number) =>
  Array.from({ length: Math.max(last - first + 1, 0) }, (_, i) => first + i);

/** A filter around the sampled place, cut off at the edges; wider by the scale where an image is smoothed. */
const filtered =
  ({ radius, weigh }: Filter, antialias: boolean): Shares =>
  (at, from, to) => {
    const scale = fround(1 / fround(to / from));
    const width = antialias ? Math.max(scale, 1) : 1;
    const middle = fround(fround(at + 0.5) * scale);
    const first = Math.max(Math.ceil(middle - radius * width - 0.5), 0);
    const last = Math.min(Math.floor(middle + radius * width - 0.5), from - 1);
    return whole(
      places(first, last).map((place) => ({ place, share: weigh(Math.abs(place + 0.5 - middle) / width) })),
    );
  };

/** Steps between two pixels that the cubic's table knows. */
const tableSteps = 1024;

/** `bicubic` without smoothing reads its four weights from a table; pixels beyond the edges count nothing. */
const tabled: Shares = (at, from, to) => {
  const middle = fround(fround(fround(at + 0.5) * fround(from / to)) - 0.5);
  const before = Math.floor(middle);
  const steps = (middle - before) * tableSteps;
  // As C rounds: halves to the even number.
  const step = Math.abs(steps % 1) === 0.5 ? 2 * Math.round(steps / 2) : Math.round(steps);
  const { weigh } = filters['bicubic'] as Filter;
  const inside = places(before - 1, before + 2).filter((place) => place >= 0 && place < from);
  return whole(
    inside.map((place) => ({ place, share: fround(weigh(Math.abs(place - before - step / tableSteps))) })),
  );
};

/** Mean over the area that a pixel covers. */
const area: Shares = (at, from, to) => {
  const scale = fround(from / to);
  const [start, end] = [fround(at * scale), fround((at + 1) * scale)];
  return places(Math.floor(start), Math.ceil(end) - 1).map((place) => ({
    place: Math.min(place, from - 1),
    share: (Math.min(place + 1, end) - Math.max(place, start)) / scale,
  }));
};

/**
 * Weights that take a row of `from` pixels to one of `to`: [to, from], row-major.
 * @returns undefined where the name is none of TensorFlow's filters
 */
export function interpolationWeights(
  name: string,
  from: number,
  to: number,
  antialias: boolean,
): Float32Array | undefined {
  const filter = Object.hasOwn(filters, name) ? filters[name] : undefined;
  const byName: Shares | undefined =
    name === 'area'
      ? area
      : name === 'bicubic' && !antialias
        ? tabled
        : filter && filtered(filter, antialias);
  if (byName === undefined) return undefined;
  const weights = new Float32Array(to * from);
  for (let at = 0; at < to; at++)
    for (const { place, share } of byName(at, from, to)) {
      const index = at * from + place;
      weights[index] = (weights[index] as number) + share;
    }
  return weights;
}
