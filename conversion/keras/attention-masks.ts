import { isModel, type KerasGraph, type LayerCall, refsIn, type TensorRef } from './graph.ts';
import { type KerasDialect, type LayerConfig, layersOf } from './model.ts';

/**
 * What becomes of a tensor's mask until a call reads it. Keras 3's attention over heads takes the masks off the tensors that it is
 * given (MultiHeadAttention.call): who comes after it finds none, and where neither needs the other the order is Keras's own affair.
 */
export type MaskState = 'kept' | 'gone' | 'doubtful';

const takesMasks = (layer: LayerConfig): boolean =>
  layer.class_name === 'MultiHeadAttention' || (isModel(layer) && layersOf(layer).some(takesMasks));

/** Layers that at inference give back the very tensor that they are given. */
const returning = new Set([
  'ActivityRegularization',
  'AlphaDropout',
  'Dropout',
  'GaussianDropout',
  'GaussianNoise',
  'Identity',
  'SpatialDropout1D',
  'SpatialDropout2D',
  'SpatialDropout3D',
]);
const returnsItsInput = ({ class_name: name, config }: LayerConfig): boolean =>
  returning.has(name) || (name === 'Activation' && config['activation'] === 'linear');

const needsOf = ({ inputs, kwargs }: LayerCall): TensorRef[] => [...inputs, ...refsIn(kwargs)];

/** @returns the state of a tensor's mask for a call that reads it */
export function maskStates(
  { calls }: KerasGraph,
  dialect: KerasDialect,
): (ref: TensorRef, reader: LayerCall) => MaskState {
  const callAt = (ref: TensorRef): LayerCall | undefined => calls.get(ref.layer)?.[ref.call];
  /** Two references to one tensor of Keras have one key. */
  const keyOf = (ref: TensorRef): string => {
    let at = ref;
    // A damaged file may lead round in circles.
    const seen = new Set<LayerCall>();
    for (let call = callAt(at); call !== undefined && returnsItsInput(call.layer); call = callAt(at)) {
      const [given] = call.inputs;
      if (given === undefined || seen.has(call)) break;
      seen.add(call);
      at = given;
    }
    return `${at.layer}:${at.call}:${at.tensor}`;
  };
  const takers = new Map<string, Set<LayerCall>>();
  if (dialect === 'keras-3') {
    for (const call of [...calls.values()].flat().filter(({ layer }) => takesMasks(layer))) {
      for (const key of needsOf(call).map(keyOf)) takers.set(key, (takers.get(key) ?? new Set()).add(call));
    }
  }
  const before = new Map<LayerCall, Set<LayerCall>>();
  /** Every call that has to be over before this one. */
  const callsBefore = (call: LayerCall): Set<LayerCall> => {
    const known = before.get(call);
    if (known !== undefined) return known;
    const found = new Set<LayerCall>();
    const open = [call];
    for (const each of open) {
      for (const needed of needsOf(each).map(callAt)) {
        if (needed === undefined || found.has(needed)) continue;
        found.add(needed);
        open.push(needed);
      }
    }
    before.set(call, found);
    return found;
  };
  return (ref, reader) => {
    const states = [...(takers.get(keyOf(ref)) ?? [])]
      .filter((taker) => taker !== reader && !callsBefore(taker).has(reader))
      .map((taker) => (callsBefore(reader).has(taker) && !isModel(taker.layer) ? 'gone' : 'doubtful'));
    return states.includes('gone') ? 'gone' : states.length > 0 ? 'doubtful' : 'kept';
  };
}
