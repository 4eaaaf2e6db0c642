import { countOf, type Value } from '../ir.ts';
import { type LayerContext, type LayerConverter, numberOf, onlyInput, unsupported, weight } from './layer.ts';
import { asDeclared, channelsLast, reshape, transpose } from './movement.ts';
import { asImage, asSequence } from './sequences.ts';
import { sizes } from './windows.ts';

/** Keras `Reshape`: at most one size of the target is -1. */
const reshapeLayer: LayerConverter = (layer) => {
  const x = onlyInput(layer);
  const target = layer.config['target_shape'] as number[];
  const rest = x.shape.slice(1);
  const isOpen = rest.some((size) => size < 0);
  const known = countOf(target.filter((size) => size >= 0));
  const sized = target.map((size) => (size >= 0 || isOpen ? size : countOf(rest) / known));
  return reshape(layer, x, [-1, ...sized]);
};

/** Keras `Permute`: `dims` counts from 1, the batch stays first. */
const permute: LayerConverter = (layer) =>
  transpose(layer, onlyInput(layer), [0, ...(layer.config['dims'] as number[])]);

/** Keras `RepeatVector`: [N, C] to [N, n, C]. */
const repeatVector: LayerConverter = (layer) => {
  const x = onlyInput(layer);
  const [batch = -1, channels = -1] = x.shape;
  const count = numberOf(layer, 'n', 1);
  const row = reshape(layer, x, [batch, 1, channels]);
  const times = layer.graph.int32s(`${layer.name}/times`, [1, count, 1]);
  return layer.graph.node('TILE', [row, times], {
    name: `${layer.name}/tile`,
    shape: [batch, count, channels],
  });
};

function resized(layer: LayerContext, x: Value, rows: number, columns: number, isBilinear: boolean): Value {
  const [batch = -1, height = -1, width = -1, channels = -1] = x.shape;
  if (height < 0 || width < 0) throw unsupported(layer, 'the size of its input is open');
  const size = layer.graph.int32s(`${layer.name}/size`, [rows, columns]);
  return layer.graph.node(
    isBilinear ? 'RESIZE_BILINEAR' : 'RESIZE_NEAREST_NEIGHBOR',
    [x, size],
    { name: `${layer.name}/resize`, shape: [batch, rows, columns, channels] },
    { alignCorners: false, halfPixelCenters: true },
  );
}

const upSampling1D: LayerConverter = (layer) => {
  const x = asImage(layer, onlyInput(layer));
  return asSequence(layer, resized(layer, x, 1, (x.shape[2] as number) * numberOf(layer, 'size', 2), false));
};

function interpolation(layer: LayerContext): boolean {
  const name = layer.config['interpolation'] ?? 'nearest';
  if (name !== 'nearest' && name !== 'bilinear') {
    throw unsupported(layer, `interpolation ${JSON.stringify(name)}: TFLite knows nearest and bilinear`);
  }
  return name === 'bilinear';
}

const upSampling2D: LayerConverter = (layer) => {
  const x = channelsLast(layer, onlyInput(layer));
  const [rows = 2, columns = 2] = sizes(layer, 'size', 2, 2);
  const [, height = -1, width = -1] = x.shape;
  return asDeclared(layer, resized(layer, x, height * rows, width * columns, interpolation(layer)));
};

/** Keras `Embedding`: rows of a table by number. */
const embedding: LayerConverter = (layer) => {
  const x = onlyInput(layer);
  if (layer.config['mask_zero'] === true) {
    throw unsupported(layer, 'mask_zero: there are no masks in a .tflite file');
  }
  const { shape, data } = weight(layer, 'embeddings');
  const table = layer.graph.constant(`${layer.name}/embeddings`, 'float32', shape, data);
  const isIndex = x.dtype === 'int32' || x.dtype === 'int64';
  const indices = isIndex
    ? x
    : layer.graph.node(
        'CAST',
        [x],
        { name: `${layer.name}/indices`, shape: x.shape, dtype: 'int32' },
        { inDataType: 0, outDataType: 2 },
      );
  return layer.graph.node(
    'GATHER',
    [table, indices],
    { name: `${layer.name}/gather`, shape: [...x.shape, shape[1] as number] },
    { axis: 0, batchDims: 0 },
  );
};

/** Keras's layers that move, repeat or look up values. */
export const shapes = {
  Embedding: embedding,
  Permute: permute,
  RepeatVector: repeatVector,
  Reshape: reshapeLayer,
  UpSampling1D: upSampling1D,
  UpSampling2D: upSampling2D,
} as const satisfies Record<string, LayerConverter>;
