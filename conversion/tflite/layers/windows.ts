import { type LayerContext, unsupported } from './layer.ts';

/** A size of the config, given as one number or one per axis. */
export function sizes(layer: LayerContext, key: string, axes: number, fallback = 1): number[] {
  const value = layer.config[key] ?? fallback;
  const list = Array.isArray(value) ? value : Array.from({ length: axes }, () => value);
  if (list.length !== axes || list.some((size) => !Number.isInteger(size) || size < 1)) {
    throw unsupported(layer, `${key}=${JSON.stringify(value)}`);
  }
  return list as number[];
}

/** `padding` as TFLite's code. */
export function paddingCode(layer: LayerContext): number {
  const padding = layer.config['padding'] ?? 'valid';
  if (padding !== 'same' && padding !== 'valid')
    throw unsupported(layer, `padding ${JSON.stringify(padding)}`);
  return padding === 'same' ? 0 : 1;
}

/** How many windows there are along an axis; -1 where its size is open. */
export function windowCount(size: number, reach: number, stride: number, padding: number): number {
  if (size < 0) return -1;
  return padding === 0 ? Math.ceil(size / stride) : Math.floor((size - reach) / stride) + 1;
}
