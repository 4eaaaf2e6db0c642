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

export const normalize: Evaluate = (input) => {
  const x = one(input);
  const squares = sum(
    map(x, (v) => v * v),
    axes(input, x.shape.length),
    true,
  );
  const least = Number(arg(input, -1, 'epsilon') ?? 1e-12);
  const isKeras2 = input.layer.class_name.endsWith('Lambda');
  const length = map(squares, (v) =>
    isKeras2 ? Math.sqrt(Math.max(v, least)) : Math.max(Math.sqrt(v), least),
  );
  return zip(x, length, (a, b) => a / b);
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
