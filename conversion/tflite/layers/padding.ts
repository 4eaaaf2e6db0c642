import type { Value } from '../ir.ts';
import { type LayerContext, type LayerConverter, onlyInput, unsupported } from './layer.ts';

/** Zeros around a value: [before, after] for every axis. */
export function pad(layer: LayerContext, x: Value, paddings: readonly (readonly [number, number])[]): Value {
  if (paddings.every(([before, after]) => before === 0 && after === 0)) return x;
  const shape = x.shape.map((size, axis) => {
    const [before, after] = paddings[axis] as readonly [number, number];
    return size < 0 ? -1 : size + before + after;
  });
  const amounts = layer.graph.int32s(`${layer.name}/paddings`, paddings.flat(), [x.shape.length, 2]);
  return layer.graph.node('PAD', [x, amounts], { name: `${layer.name}/pad`, shape });
}

/** `padding` or `cropping`: one number, one per axis, or [before, after] per axis. */
function amounts(layer: LayerContext, key: string, axes: number): [number, number][] {
  const value = layer.config[key] ?? 1;
  const list = Array.isArray(value) ? value : Array.from({ length: axes }, () => value);
  // A 1-D layer's pair is [before, after] of its one axis.
  const perAxis = axes === 1 && Array.isArray(value) && !Array.isArray(value[0]) ? [value] : list;
  const pairs = perAxis.map((entry: unknown) => (Array.isArray(entry) ? entry : [entry, entry]));
  if (
    pairs.length !== axes ||
    pairs.some((pair) => pair.length !== 2 || pair.some((v) => !Number.isInteger(v) || v < 0))
  ) {
    throw unsupported(layer, `${key}=${JSON.stringify(value)}`);
  }
  return pairs as [number, number][];
}

/** Pairs for every axis of a value: nothing for the batch and the channels. */
function everyAxis(layer: LayerContext, key: string, axes: number): [number, number][] {
  const pairs = amounts(layer, key, axes);
  const isFirst = axes > 1 && layer.config['data_format'] === 'channels_first';
  return isFirst ? [[0, 0], [0, 0], ...pairs] : [[0, 0], ...pairs, [0, 0]];
}

const zeroPadding =
  (axes: number): LayerConverter =>
  (layer) =>
    pad(layer, onlyInput(layer), everyAxis(layer, 'padding', axes));

const cropping =
  (axes: number): LayerConverter =>
  (layer) => {
    const x = onlyInput(layer);
    const pairs = everyAxis(layer, 'cropping', axes);
    const { graph, name } = layer;
    // What is masked reaches to the end; other ends count from the end.
    const mask = pairs.reduce((bits, [, after], axis) => (after === 0 ? bits | (1 << axis) : bits), 0);
    const begin = graph.int32s(
      `${name}/begin`,
      pairs.map(([before]) => before),
    );
    const end = graph.int32s(
      `${name}/end`,
      pairs.map(([, after]) => -after),
    );
    const step = graph.int32s(
      `${name}/step`,
      pairs.map(() => 1),
    );
    const shape = x.shape.map((size, axis) => {
      const [before, after] = pairs[axis] as [number, number];
      if (size < 0) return -1;
      if (size <= before + after) throw unsupported(layer, `nothing is left of [${x.shape}]`);
      return size - before - after;
    });
    return graph.node(
      'STRIDED_SLICE',
      [x, begin, end, step],
      { name: `${name}/crop`, shape },
      { beginMask: 0, endMask: mask, ellipsisMask: 0, newAxisMask: 0, shrinkAxisMask: 0 },
    );
  };

/** Keras's layers that add or take away borders. */
export const borders = {
  Cropping1D: cropping(1),
  Cropping2D: cropping(2),
  Cropping3D: cropping(3),
  ZeroPadding1D: zeroPadding(1),
  ZeroPadding2D: zeroPadding(2),
  ZeroPadding3D: zeroPadding(3),
} as const satisfies Record<string, LayerConverter>;
