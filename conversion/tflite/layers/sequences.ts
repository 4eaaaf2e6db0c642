import type { Value } from '../ir.ts';
import type { LayerContext } from './layer.ts';

/** [N, L, C] as an image [N, 1, L, C]: TFLite's kernels know images only. */
export function asImage(layer: LayerContext, x: Value): Value {
  const [batch = -1, length = -1, channels = -1] = x.shape;
  const axis = layer.graph.int32s(`${layer.name}/axis`, [1], []);
  const shape = [batch, 1, length, channels];
  return layer.graph.node('EXPAND_DIMS', [x, axis], { name: `${layer.name}/image`, shape });
}

/** The way back. */
export function asSequence(layer: LayerContext, y: Value): Value {
  const shape = y.shape.filter((_, axis) => axis !== 1);
  return layer.graph.node('SQUEEZE', [y], { name: `${layer.name}/sequence`, shape }, { squeezeDims: [1] });
}
