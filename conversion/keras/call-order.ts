import { isModel, type KerasGraph, type LayerCall, Slice, TensorRef } from './graph.ts';
import { type KerasDialect, type LayerConfig, layerName, layersOf } from './model.ts';

/** Keras 3's attention over heads takes the masks off the tensors that it is given: who is called after it finds none. */
export const takesMasks = (layer: LayerConfig, dialect: KerasDialect): boolean =>
  dialect === 'keras-3' &&
  (layer.class_name === 'MultiHeadAttention' ||
    (isModel(layer) && layersOf(layer).some((inner) => takesMasks(inner, dialect))));

/** Every tensor of a call in the order of Keras 3, which sorts names. */
function tensorsOf(value: unknown): TensorRef[] {
  if (value instanceof TensorRef) return [value];
  if (Array.isArray(value)) return value.flatMap(tensorsOf);
  if (value === null || typeof value !== 'object' || value instanceof Slice) return [];
  return Object.keys(value)
    .sort()
    .flatMap((key) => tensorsOf((value as Record<string, unknown>)[key]));
}

/**
 * The calls of a model in the order in which Keras 3 makes them: farthest from the outputs first, calls of one layer as far as the
 * farthest, and among those as far the one that is found last from the outputs.
 * @see https://github.com/keras-team/keras/blob/master/keras/src/ops/function.py map_graph
 */
export function callsInOrder({ calls, outputs }: KerasGraph): TensorRef[] {
  const givers = (call: LayerCall): LayerCall[] =>
    [...tensorsOf(call.args), ...tensorsOf(call.kwargs)].flatMap(
      (ref) => calls.get(ref.layer)?.[ref.call] ?? [],
    );
  const finished: LayerCall[] = [];
  const seen = new Set<LayerCall>();
  // Depth first without recursion: a call is finished after all that it needs.
  const open: { call: LayerCall; waiting: LayerCall[] }[] = [];
  const enter = (call: LayerCall) => {
    if (seen.has(call)) return;
    seen.add(call);
    open.push({ call, waiting: givers(call).reverse() });
  };
  for (const { layer, call } of outputs) {
    const end = calls.get(layer)?.[call];
    if (end !== undefined) enter(end);
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      const next = top.waiting.pop();
      if (next !== undefined) enter(next);
      else finished.push((open.pop() as typeof top).call);
    }
  }
  const depths = new Map<LayerCall, number>();
  const ofLayers = new Map<string, number>();
  for (const call of finished.reverse()) {
    const name = layerName(call.layer);
    const depth = Math.max(depths.get(call) ?? 0, ofLayers.get(name) ?? 0);
    ofLayers.set(name, depth);
    depths.set(call, depth);
    for (const giver of givers(call)) depths.set(giver, Math.max(depth + 1, depths.get(giver) ?? 0));
  }
  const first = [...depths].sort(([, a], [, b]) => b - a).map(([call]) => call);
  return first.map((call) => {
    const name = layerName(call.layer);
    return new TensorRef(name, calls.get(name)?.indexOf(call) ?? 0, 0);
  });
}
