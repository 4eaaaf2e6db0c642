import { isModel, type KerasGraph, refsIn, type TensorRef } from './graph.ts';
import { type KerasDialect, type LayerConfig, layersOf } from './model.ts';

/** Keras 3's attention over heads takes the masks off the tensors that it is given; inside a model as well. */
const takesMasks = (layer: LayerConfig): boolean =>
  layer.class_name === 'MultiHeadAttention' || (isModel(layer) && layersOf(layer).some(takesMasks));

const keyOf = (ref: TensorRef) => `${ref.layer}:${ref.call}:${ref.tensor}`;

/**
 * Tensors whose mask Keras 3 has or has not for a call, by the order in which it comes to the calls: attention takes the mask off,
 * and others read the same tensor.
 * @returns whether that is so for a tensor in a call of a layer
 */
export function doubtfulMasks(
  graph: KerasGraph,
  dialect: KerasDialect,
): (ref: TensorRef, call: object) => boolean {
  const takers = new Map<string, object[]>();
  if (dialect === 'keras-3') {
    for (const call of [...graph.calls.values()].flat()) {
      if (!takesMasks(call.layer)) continue;
      for (const ref of [...call.inputs, ...refsIn(call.kwargs)])
        takers.set(keyOf(ref), [...(takers.get(keyOf(ref)) ?? []), call]);
    }
  }
  return (ref, call) => (takers.get(keyOf(ref)) ?? []).some((taker) => taker !== call);
}
