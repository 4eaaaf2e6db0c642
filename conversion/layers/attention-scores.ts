import type { SymbolicTensor } from '../onnx/index.ts';
import type { LayerContext } from './layer.ts';
import { cast, elementwise, scalar, shapeOf } from './shapes.ts';

export const tensorOf = (value: unknown): SymbolicTensor | undefined =>
  value !== null && typeof value === 'object' && 'dtype' in value && 'name' in value
    ? (value as SymbolicTensor)
    : undefined;

/** bool [Tq, Tv] for the last two axes of `scores`: whether a query may see a key that is not after it. */
export function causalMask(layer: LayerContext, scores: SymbolicTensor): SymbolicTensor {
  const [queries, keys] = scores.shape.slice(-2) as [number, number];
  if (queries >= 0 && keys >= 0) {
    const data = Uint8Array.from({ length: queries * keys }, (_, i) =>
      Math.floor(i / keys) >= i % keys ? 1 : 0,
    );
    return layer.graph.constant(`${layer.name}/causal`, 'bool', [queries, keys], data);
  }
  const rank = scores.shape.length;
  const sizes = layer.graph.node(
    'Slice',
    [
      shapeOf(layer, scores),
      layer.graph.int64s(`${layer.name}/starts`, [rank - 2]),
      layer.graph.int64s(`${layer.name}/ends`, [rank]),
    ],
    { name: `${layer.name}/sizes`, shape: [2] },
  );
  const one = layer.graph.constant(`${layer.name}/one`, 'float32', [1], Float32Array.of(1));
  const ones = layer.graph.node('Expand', [one, sizes], {
    name: `${layer.name}/ones`,
    shape: [queries, keys],
  });
  const lower = layer.graph.node(
    'Trilu',
    [ones],
    { name: `${layer.name}/lower`, shape: [queries, keys] },
    { upper: 0n },
  );
  return cast(layer, lower, 'bool');
}

export const both = (
  layer: LayerContext,
  masks: readonly (SymbolicTensor | undefined)[],
): SymbolicTensor | undefined => {
  const given = masks.filter((mask) => mask !== undefined);
  return given.length === 0 ? undefined : given.reduce((a, b) => elementwise(layer, 'And', [a, b], 'bool'));
};

export const asBool = (layer: LayerContext, x: SymbolicTensor | undefined) =>
  x === undefined ? undefined : cast(layer, x, 'bool');

/** Softmax over the last axis of scores whose masked places get -1e9 added, as Keras does (in float32, where that swallows the score). */
export function maskedSoftmax(
  layer: LayerContext,
  scores: SymbolicTensor,
  mask: SymbolicTensor | undefined,
  replace: boolean,
): SymbolicTensor {
  const low = scalar(layer, -1e9);
  let x = scores;
  if (mask !== undefined) {
    const away = replace ? low : elementwise(layer, 'Add', [scores, low]);
    x = elementwise(layer, 'Where', [mask, scores, away], 'float32');
  }
  return layer.graph.node(
    'Softmax',
    [x],
    { name: `${layer.name}/softmax`, shape: scores.shape },
    { axis: -1n },
  );
}

/** bool [Tq, Tv]: whether a key is less than `reach` places from a query. */
export function bandMask(layer: LayerContext, queries: number, keys: number, reach: number): SymbolicTensor {
  const data = Uint8Array.from({ length: queries * keys }, (_, i) =>
    Math.abs(Math.floor(i / keys) - (i % keys)) < reach ? 1 : 0,
  );
  return layer.graph.constant(`${layer.name}/band`, 'bool', [queries, keys], data);
}
