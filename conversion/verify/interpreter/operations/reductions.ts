import type { Evaluate } from '../layer-input.ts';
import { axisAt, fold, generate, get, map, reshaped, sum, type Tensor, variance, zip } from '../tensor.ts';
import { arg, axes, keep, one, truth, whole } from './arguments.ts';

const folded =
  (start: number, f: (a: number, b: number) => number): Evaluate =>
  (input) => {
    const x = one(input);
    return fold(x, axes(input, x.shape.length), keep(input), start, f);
  };

export const over =
  (f: (x: Tensor, axes: number[], keep: boolean) => Tensor): Evaluate =>
  (input) => {
    const x = one(input);
    return f(x, axes(input, x.shape.length), keep(input));
  };

export const best =
  (isBetter: (a: number, b: number) => boolean): Evaluate =>
  (input) => {
    const x = one(input);
    const axis = axisAt(Number(arg(input, 1, 'axis')), x.shape.length);
    const shape = x.shape.map((dim, i) => (i === axis ? 1 : dim));
    const winners = generate(shape, (at) => {
      let winner = 0;
      const place = [...at];
      const read = (i: number) => {
        place[axis] = i;
        return get(x, place);
      };
      for (let i = 1; i < (x.shape[axis] as number); i++) if (isBetter(read(i), read(winner))) winner = i;
      return winner;
    });
    return keep(input)
      ? winners
      : reshaped(
          winners,
          shape.filter((_, i) => i !== axis),
        );
  };

/** Length of vectors along one axis (or of everything), norm of matrices along two. */
function lengths(x: Tensor, at: readonly number[], order: unknown, isMatrix: boolean): Tensor {
  const euclidean =
    order === undefined || order === 'fro' || order === 'euclidean' || (!isMatrix && order === 2);
  if (euclidean) {
    const squares = map(x, (v) => v * v);
    return map(sum(squares, at, true), Math.sqrt);
  }
  const p = Number(order);
  if (Number.isNaN(p)) throw new Error(`the reference does not know the norm '${String(order)}'`);
  const sizes = map(x, Math.abs);
  const largest = (y: Tensor, axis: number) => fold(y, [axis], true, Number.NEGATIVE_INFINITY, Math.max);
  const smallest = (y: Tensor, axis: number) => fold(y, [axis], true, Number.POSITIVE_INFINITY, Math.min);
  if (isMatrix) {
    const [row, column] = at as [number, number];
    if (Math.abs(p) !== 1 && Number.isFinite(p))
      throw new Error(`the reference does not know the norm ${p} of matrices`);
    const [summed, chosen] = Math.abs(p) === 1 ? [row, column] : [column, row];
    return (p > 0 ? largest : smallest)(sum(sizes, [summed], true), chosen);
  }
  if (!Number.isFinite(p)) return at.reduce(p > 0 ? largest : smallest, sizes);
  if (p === 0)
    return sum(
      map(sizes, (v) => truth(v !== 0)),
      at,
      true,
    );
  return map(
    sum(
      map(sizes, (v) => v ** p),
      at,
      true,
    ),
    (v) => v ** (1 / p),
  );
}

export const norm: Evaluate = (input) => {
  const x = one(input);
  const given = arg(input, -1, 'axis');
  const at =
    given === undefined
      ? x.shape.map((_, i) => i)
      : [given].flat().map((a) => axisAt(Number(a), x.shape.length));
  const y = lengths(x, at, arg(input, -1, 'ord'), given !== undefined && at.length === 2);
  return keep(input)
    ? y
    : reshaped(
        y,
        y.shape.filter((_, i) => !at.includes(i)),
      );
};

export const normalize: Evaluate = (input) => {
  const x = one(input);
  const at = axes(input, x.shape.length);
  const isKeras2 = input.layer.class_name.endsWith('Lambda');
  const least = Number(arg(input, -1, 'epsilon') ?? (isKeras2 ? 1e-12 : 1e-7));
  if (isKeras2) {
    const squares = sum(
      map(x, (v) => v * v),
      at,
      true,
    );
    return zip(x, squares, (a, b) => a / Math.sqrt(Math.max(b, least)));
  }
  const isMatrix = at.length === 2;
  return zip(x, lengths(x, at, arg(input, -1, 'order') ?? 2, isMatrix), (a, b) => a / Math.max(b, least));
};

export const cumulative: Evaluate = (input) => {
  const x = one(input);
  const axis = axisAt(whole(input, 0, 1, 'axis'), x.shape.length);
  const size = x.shape[axis] as number;
  const [exclusive, reverse] = [arg(input, -1, 'exclusive') === true, arg(input, -1, 'reverse') === true];
  return generate(x.shape, (at) => {
    const here = at[axis] as number;
    const counts = (i: number) => (reverse ? i >= here : i <= here) && !(exclusive && i === here);
    return Array.from({ length: size }, (_, i) =>
      counts(i)
        ? get(
            x,
            at.map((v, a) => (a === axis ? i : v)),
          )
        : 0,
    ).reduce((a, b) => a + b, 0);
  });
};

export const logSumExp = (x: Tensor, at: number[], keeps: boolean) => {
  const top = fold(x, at, true, Number.NEGATIVE_INFINITY, Math.max);
  const rest = map(
    sum(
      zip(x, top, (a, b) => Math.exp(a - b)),
      at,
      true,
    ),
    Math.log,
  );
  const y = zip(rest, top, (a, b) => a + b);
  return keeps
    ? y
    : reshaped(
        y,
        x.shape.filter((_, i) => !at.includes(i)),
      );
};

export const all = folded(1, (a, b) => truth(a !== 0 && b !== 0));

export const any = folded(0, (a, b) => truth(a !== 0 || b !== 0));

export const maximum = folded(Number.NEGATIVE_INFINITY, Math.max);

export const minimum = folded(Number.POSITIVE_INFINITY, Math.min);

export const multiplied = folded(1, (a, b) => a * b);

export const deviation = over((x, at, keeps) => map(variance(x, at, keeps), Math.sqrt));
