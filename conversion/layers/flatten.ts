import { type LayerConverter, onlyInput } from './layer.ts';

/**
 * Keras `Flatten`: [N, a, b, ...] to [N, a*b*...], [N] to [N, 1]. With `channels_first` Keras moves the channels last before.
 * @see https://keras.io/api/layers/reshaping_layers/flatten/
 */
export const flatten: LayerConverter = (layer) => {
  let x = onlyInput(layer);
  const rank = x.shape.length;
  if (layer.config['data_format'] === 'channels_first' && rank > 2) {
    const order = [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1];
    const shape = order.map((axis) => x.shape[axis] as number);
    x = layer.graph.node(
      'Transpose',
      [x],
      { name: `${layer.name}/channels_last`, shape },
      { perm: order.map(BigInt) },
    );
  }
  const rest = x.shape.slice(1);
  const size = rest.some((dim) => dim < 0) ? -1 : rest.reduce((product, dim) => product * dim, 1);
  const shape = [x.shape[0] as number, size];
  return layer.graph.node('Flatten', [x], { name: `${layer.name}/flatten`, shape }, { axis: 1n });
};
