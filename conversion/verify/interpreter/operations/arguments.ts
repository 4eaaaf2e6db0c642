import { isTensor, type LayerInput } from '../layer-input.ts';
import { axisAt, type Tensor } from '../tensor.ts';

/** An argument by place or name, or the operation's own option. */
export function arg({ args, kwargs, layer }: LayerInput, place: number, ...names: string[]): unknown {
  if (place >= 0 && args[place] !== undefined) return args[place];
  return names
    .map((name) => kwargs[name] ?? layer.config[name])
    .find((value) => value !== undefined && value !== null);
}

/** Numbers, however nested, as a tensor. */
export function tensor(value: unknown): Tensor {
  if (isTensor(value)) return value;
  const shape: number[] = [];
  for (let level: unknown = value; Array.isArray(level); level = level[0]) shape.push(level.length);
  const items: unknown[] = Array.isArray(value) ? value.flat(shape.length) : [value];
  if (items.some((item) => typeof item !== 'number' && Number.isNaN(Number(item))))
    throw new Error(`the reference cannot take ${JSON.stringify(value)}`);
  return { shape, data: Float64Array.from(items, Number) };
}

export const one = (input: LayerInput) =>
  tensor(
    arg(
      input,
      0,
      'x',
      'input',
      'features',
      'logits',
      'inputs',
      'a',
      'input_tensor',
      'value',
      'tensor',
      'params',
      'condition',
      'indices',
    ),
  );

export const two = (input: LayerInput) =>
  [tensor(arg(input, 0, 'x1', 'x', 'a')), tensor(arg(input, 1, 'x2', 'y', 'b'))] as const;

export const truth = (value: boolean) => (value ? 1 : 0);

export function axes(input: LayerInput, rank: number): number[] {
  const value = arg(input, 1, 'axis', 'dim', 'reduction_indices');
  if (value === undefined) return Array.from({ length: rank }, (_, i) => i);
  return [value].flat().map((axis) => axisAt(Number(axis), rank));
}

export const keep = (input: LayerInput) => arg(input, -1, 'keepdims', 'keep_dims') === true;

export const list = (input: LayerInput) =>
  [arg(input, 0, 'values', 'xs', 'x', 'arrays')].flat().filter(isTensor);

export const whole = (input: LayerInput, fallback: number, place: number, ...names: string[]) =>
  Number(arg(input, place, ...names) ?? fallback);
