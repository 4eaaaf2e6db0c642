import type { Attribute } from '../onnx/index.ts';
import { type LayerContext, sizesOption, unsupported } from './layer.ts';

/** A window that slides over space: convolution or pooling. */
export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** `valid`, `same`, `causal`. */
  readonly padding: string;
}

/** The window of a convolution: `kernel_size`, `strides`, `dilation_rate`, `padding`. */
export function convolutionWindow(layer: LayerContext, rank: number): Window {
  return {
    kernel: sizesOption(layer, 'kernel_size', rank, 1),
    strides: sizesOption(layer, 'strides', rank, 1),
    dilations: sizesOption(layer, 'dilation_rate', rank, 1),
    padding: String(layer.config['padding'] ?? 'valid').toLowerCase(),
  };
}

/** Where the padding of `same` is put, when known: TensorFlow puts the odd one at the end. */
function samePads(sizes: readonly number[], window: Window): { begin: number[]; end: number[] } | undefined {
  const begin: number[] = [];
  const end: number[] = [];
  for (const [i, size] of sizes.entries()) {
    const stride = window.strides[i] as number;
    const span = ((window.kernel[i] as number) - 1) * (window.dilations[i] as number) + 1;
    if (size < 0 && stride !== 1) return undefined;
    const total = size < 0 ? span - 1 : Math.max((Math.ceil(size / stride) - 1) * stride + span - size, 0);
    begin.push(Math.floor(total / 2));
    end.push(total - Math.floor(total / 2));
  }
  return { begin, end };
}

/** The sizes that a window leaves of space; -1 stays -1. */
export function windowedSizes(layer: LayerContext, sizes: readonly number[], window: Window): number[] {
  return sizes.map((size, i) => {
    if (size < 0) return -1;
    const stride = window.strides[i] as number;
    const span = ((window.kernel[i] as number) - 1) * (window.dilations[i] as number) + 1;
    const out =
      window.padding === 'valid' ? Math.floor((size - span) / stride) + 1 : Math.ceil(size / stride);
    if (out < 1) throw unsupported(layer, `a window of ${span} does not fit into ${size}`);
    return out;
  });
}

/** ONNX's `kernel_shape`, `strides`, `dilations` and padding for a window over space of the given sizes. */
export function windowAttributes(
  layer: LayerContext,
  sizes: readonly number[],
  window: Window,
): Record<string, Attribute> {
  const { kernel, strides, dilations, padding } = window;
  const shared = {
    kernel_shape: kernel.map(BigInt),
    strides: strides.map(BigInt),
    ...(dilations.some((dilation) => dilation !== 1) ? { dilations: dilations.map(BigInt) } : {}),
  };
  if (padding === 'valid') return shared;
  if (padding === 'causal') {
    const before = kernel.map((size, i) => BigInt((size - 1) * (dilations[i] as number)));
    return { ...shared, pads: [...before, ...kernel.map(() => 0n)] };
  }
  if (padding !== 'same') throw unsupported(layer, `padding '${padding}' is not known`);
  const pads = samePads(sizes, window);
  if (pads === undefined) return { ...shared, auto_pad: 'SAME_UPPER' };
  const all = [...pads.begin, ...pads.end];
  return all.every((pad) => pad === 0) ? shared : { ...shared, pads: all.map(BigInt) };
}
