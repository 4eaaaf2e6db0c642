import { lastForm, ownForm } from './data-format.ts';
import { type Evaluate, first, flag, type LayerInput, numbers } from './layer-input.ts';
import { filled, mean, sizeOf, type Tensor, zip } from './tensor.ts';
import { outSizes, type Sliding, slide } from './windows.ts';

function takeLargest(to: Float64Array, at: number, from: Float64Array, start: number, count: number): void {
  for (let c = 0; c < count; c++) to[at + c] = Math.max(to[at + c] as number, from[start + c] as number);
}

function takeSum(to: Float64Array, at: number, from: Float64Array, start: number, count: number): void {
  for (let c = 0; c < count; c++) to[at + c] = (to[at + c] as number) + (from[start + c] as number);
}

function pooled(x: Tensor, window: Sliding, kind: 'max' | 'mean'): Tensor {
  const [batch, channels] = [x.shape[0] as number, x.shape.at(-1) as number];
  const sizes = x.shape.slice(1, -1);
  const out = outSizes(sizes, window);
  const data = new Float64Array(batch * sizeOf(out) * channels).fill(
    kind === 'max' ? Number.NEGATIVE_INFINITY : 0,
  );
  const take = kind === 'max' ? takeLargest : takeSum;
  const counts = new Float64Array(batch * sizeOf(out));
  const [inPlaces, outPlaces] = [sizeOf(sizes), sizeOf(out)];
  for (let n = 0; n < batch; n++) {
    slide(sizes, window, ({ count, firstOut, firstInside, step }) => {
      for (let i = 0; i < count; i++) {
        const to = n * outPlaces + firstOut + i;
        counts[to] = (counts[to] as number) + 1;
        take(data, to * channels, x.data, (n * inPlaces + firstInside + i * step) * channels, channels);
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
