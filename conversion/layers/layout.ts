import type { SymbolicTensor } from '../onnx/index.ts';
import type { LayerContext } from './layer.ts';
import { transpose } from './shapes.ts';

/*
 * Keras computes with the channels last, ONNX with the channels first. A value that was computed channels first keeps that form beside
 * its Keras form: what follows takes the form that it needs, and the Transpose that nobody takes is left out of the model.
 */

/** `channels_first` in the config: Keras's own form is ONNX's. */
export const isChannelsFirst = (layer: LayerContext): boolean =>
  layer.config['data_format'] === 'channels_first';

const toFirst = (rank: number) => [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, i) => i + 1)];
const toLast = (rank: number) => [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1];

/** [N, space..., C] as [N, C, space...]. */
export function channelsFirst(layer: LayerContext, x: SymbolicTensor): SymbolicTensor {
  return x.channelsFirst ?? transpose(layer, x, toFirst(x.shape.length));
}

/** [N, C, space...] as [N, space..., C] that remembers where it comes from. */
export function channelsLast(layer: LayerContext, y: SymbolicTensor): SymbolicTensor {
  return { ...transpose(layer, y, toLast(y.shape.length)), channelsFirst: y };
}

/** The input of a layer over space, as ONNX wants it, whatever the layer's data format. */
export function spatialInput(layer: LayerContext, x: SymbolicTensor): SymbolicTensor {
  return isChannelsFirst(layer) ? x : channelsFirst(layer, x);
}

/** The output of a layer over space, as Keras has it. */
export function spatialOutput(layer: LayerContext, y: SymbolicTensor): SymbolicTensor {
  return isChannelsFirst(layer) ? y : channelsLast(layer, y);
}

/** Applies what does not care where the channels are: in the form that is there, without a Transpose. */
export function anywhere(
  layer: LayerContext,
  inputs: readonly SymbolicTensor[],
  apply: (inputs: readonly SymbolicTensor[]) => SymbolicTensor,
): SymbolicTensor {
  const rank = inputs[0]?.shape.length ?? 0;
  const first = inputs.some((input) => input.channelsFirst !== undefined);
  if (!first || rank < 3 || inputs.some((input) => input.shape.length !== rank)) return apply(inputs);
  return channelsLast(layer, apply(inputs.map((input) => channelsFirst(layer, input))));
}
