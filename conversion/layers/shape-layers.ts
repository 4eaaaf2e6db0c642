import { type LayerConverter, onlyInput, unsupported } from './layer.ts';
import { spatialInput, spatialOutput } from './layout.ts';
import { farEnd, reshape as reshaped, sizeOf, slice, transpose, unsqueeze } from './shapes.ts';

/** Keras `Reshape`: the batch stays, one -1 is found out. */
export const reshape: LayerConverter = (layer) => {
  const x = onlyInput(layer);
  const target = (layer.config['target_shape'] as (number | null)[]).map((dim) => dim ?? -1);
  const known = sizeOf(x.shape.slice(1));
  const rest = target.filter((dim) => dim >= 0).reduce((a, b) => a * b, 1);
  const shape = target.map((dim) => (dim < 0 && known >= 0 && rest > 0 ? known / rest : dim));
  if (known >= 0 && sizeOf(shape) !== known)
    throw unsupported(layer, `[${x.shape}] has no shape [${target}]`);
  return reshaped(layer, x, [{ copy: 0 }, ...shape]);
};

/** Keras `Permute`: axes count from 1, the batch stays. */
export const permute: LayerConverter = (layer) =>
  transpose(layer, onlyInput(layer), [0, ...(layer.config['dims'] as number[])]);

/** Keras `RepeatVector`: [N, f] to [N, n, f]. */
export const repeatVector: LayerConverter = (layer) => {
  const x = unsqueeze(layer, onlyInput(layer), [1]);
  const n = Number(layer.config['n']);
  const shape = [x.shape[0] as number, n, ...x.shape.slice(2)];
  return layer.graph.node('Tile', [x, layer.graph.int64s(`${layer.name}/repeats`, [1, n, 1])], {
    name: `${layer.name}/tile`,
    shape,
  });
};

/** `1`, `[1, 2]`, `[[1, 2], [3, 4]]` as [before, after] for each dimension of space. */
function edges(value: unknown, rank: number): [number, number][] {
  const list = Array.isArray(value) ? value : Array.from({ length: rank }, () => value);
  if (rank === 1 && list.length === 2) return [[Number(list[0]), Number(list[1])]];
  return list.map((edge) =>
    Array.isArray(edge) ? [Number(edge[0]), Number(edge[1])] : [Number(edge), Number(edge)],
  );
}

/**
 * Keras `ZeroPadding1D..3D`.
 * @see https://keras.io/api/layers/reshaping_layers/zero_padding2d/
 */
export const zeroPadding =
  (rank: number): LayerConverter =>
  (layer) => {
    const pads = edges(layer.config['padding'] ?? 1, rank);
    const x = spatialInput(layer, onlyInput(layer));
    const shape = x.shape.map((dim, i) => {
      const [before, after] = i < 2 ? [0, 0] : (pads[i - 2] as [number, number]);
      return dim < 0 ? -1 : dim + before + after;
    });
    const amounts = [0, 0, ...pads.map(([before]) => before), 0, 0, ...pads.map(([, after]) => after)];
    const y = layer.graph.node('Pad', [x, layer.graph.int64s(`${layer.name}/pads`, amounts)], {
      name: `${layer.name}/pad`,
      shape,
    });
    return spatialOutput(layer, y);
  };

/** Keras `Cropping1D..3D`. */
export const cropping =
  (rank: number): LayerConverter =>
  (layer) => {
    const x = spatialInput(layer, onlyInput(layer));
    const ranges = edges(layer.config['cropping'] ?? 1, rank).map(([before, after], i) => ({
      axis: i + 2,
      start: before,
      end: after === 0 ? farEnd : -after,
    }));
    return spatialOutput(layer, slice(layer, x, ranges));
  };
