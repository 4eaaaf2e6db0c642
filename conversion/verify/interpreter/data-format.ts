import type { LayerInput } from './layer-input.ts';
import { permute, type Tensor } from './tensor.ts';

/*
 * Layers over space. Everything is brought to [N, a, b, c, channels]: missing dimensions have size 1, so that one loop serves 1D to 3D.
 */

const channelsFirst = (input: LayerInput) => input.layer.config['data_format'] === 'channels_first';

/** Keras's form with the channels last. */
export function lastForm(input: LayerInput, x: Tensor): Tensor {
  if (!channelsFirst(input)) return x;
  const rank = x.shape.length;
  return permute(x, [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1]);
}

/** Back to the layer's own form. */
export function ownForm(input: LayerInput, y: Tensor): Tensor {
  if (!channelsFirst(input)) return y;
  const rank = y.shape.length;
  return permute(y, [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, i) => i + 1)]);
}
