import { countOf, type Value } from '../ir.ts';
import { type LayerContext, unsupported } from './layer.ts';

/** A value in another shape; at most one size may be open (-1). */
export function reshape(layer: LayerContext, x: Value, shape: readonly number[]): Value {
  if (shape.filter((size) => size < 0).length > 1) {
    throw unsupported(layer, `more than one size of [${shape}] is open; give its inputs a fixed shape`);
  }
  if (shape.length === x.shape.length && shape.every((size, i) => size === x.shape[i])) return x;
  const target = layer.graph.int32s(`${layer.name}/shape`, shape);
  return layer.graph.node(
    'RESHAPE',
    [x, target],
    { name: `${layer.name}/reshape`, shape },
    { newShape: shape },
  );
}

/** The axes in another order. */
export function transpose(layer: LayerContext, x: Value, order: readonly number[]): Value {
  if (order.every((axis, i) => axis === i)) return x;
  const shape = order.map((axis) => x.shape[axis] as number);
  const permutation = layer.graph.int32s(`${layer.name}/order`, order);
  return layer.graph.node('TRANSPOSE', [x, permutation], { name: `${layer.name}/transpose`, shape });
}

/** A constant with its axes in another order. */
export function transposedData(
  data: Float32Array,
  shape: readonly number[],
  order: readonly number[],
): Float32Array {
  const strides = shape.map((_, axis) => countOf(shape.slice(axis + 1)));
  const sizes = order.map((axis) => shape[axis] as number);
  const steps = order.map((axis) => strides[axis] as number);
  const result = new Float32Array(data.length);
  const index = sizes.map(() => 0);
  let from = 0;
  for (let to = 0; to < result.length; to++) {
    result[to] = data[from] as number;
    for (let axis = sizes.length - 1; axis >= 0; axis--) {
      index[axis] = (index[axis] as number) + 1;
      from += steps[axis] as number;
      if ((index[axis] as number) < (sizes[axis] as number)) break;
      from -= (sizes[axis] as number) * (steps[axis] as number);
      index[axis] = 0;
    }
  }
  return result;
}

/** With `data_format: channels_first` Keras's values are [N, C, ...]: TFLite's kernels want [N, ..., C]. */
export function channelsLast(layer: LayerContext, x: Value): Value {
  if (layer.config['data_format'] !== 'channels_first') return x;
  const rank = x.shape.length;
  return transpose(layer, x, [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1]);
}

/** The way back. */
export function asDeclared(layer: LayerContext, y: Value): Value {
  if (layer.config['data_format'] !== 'channels_first') return y;
  const rank = y.shape.length;
  return transpose(layer, y, [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, i) => i + 1)]);
}
