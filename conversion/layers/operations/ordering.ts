import type { SymbolicTensor } from '../../onnx/index.ts';
import { type LayerContext, unsupported } from '../layer.ts';
import { axisOf, cast, dimOf } from '../shapes.ts';
import { argument, first, integer, type Operation, widened } from './arguments.ts';

/** The first `count` values along an axis and where they stood, int32; all where it is left out. Of equal values the earlier comes first. */
export function ordered(
  layer: LayerContext,
  x: SymbolicTensor,
  axis: number,
  isDescending: boolean,
  count?: number,
): [values: SymbolicTensor, places: SymbolicTensor] {
  // The runtime orders no uint16 and no uint32.
  if (/^uint(16|32)$/.test(x.dtype)) {
    const [values, places] = ordered(layer, widened(layer, x), axis, isDescending, count);
    return [cast(layer, values, x.dtype), places];
  }
  const size = count ?? (x.shape[axis] as number);
  const shape = x.shape.map((dim, i) => (i === axis ? size : dim));
  const how = size < 0 ? dimOf(layer, x, axis) : layer.graph.int64s(`${layer.name}/count`, [size]);
  const [values, places] = layer.graph.nodes(
    'TopK',
    [x, how],
    [`${layer.name}/values`, `${layer.name}/places`],
    { axis: BigInt(axis), largest: isDescending ? 1n : 0n, sorted: 1n },
  ) as [string, string];
  return [
    { name: values, dtype: x.dtype, shape },
    cast(layer, { name: places, dtype: 'int64', shape }, 'int32'),
  ];
}

function wholeAxis(layer: LayerContext) {
  const x = first(layer);
  const axis = axisOf(integer(layer, -1, 1, 'axis'), x.shape.length);
  const isDescending = String(argument(layer, -1, 'direction') ?? 'ASCENDING') === 'DESCENDING';
  return ordered(layer, x, axis, isDescending);
}

export const sort: Operation = (layer) => wholeAxis(layer)[0];

export const argsort: Operation = (layer) => wholeAxis(layer)[1];

/** The largest values of the last axis and where they stood. */
export const topK: Operation = (layer) => {
  const x = first(layer);
  if (argument(layer, 2, 'sorted') === false)
    throw unsupported(layer, 'sorted=false: any order would be right');
  return ordered(layer, x, x.shape.length - 1, true, integer(layer, 1, 1, 'k'));
};
