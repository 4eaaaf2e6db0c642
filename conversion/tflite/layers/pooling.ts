import { type LayerConverter, onlyInput, unsupported } from './layer.ts';
import { asDeclared, channelsLast } from './movement.ts';
import { asImage, asSequence } from './sequences.ts';
import { paddingCode, sizes, windowCount } from './windows.ts';

const pool =
  (operator: 'AVERAGE_POOL_2D' | 'MAX_POOL_2D', axes: 1 | 2): LayerConverter =>
  (layer) => {
    const x = channelsLast(layer, onlyInput(layer));
    if (x.shape.length !== axes + 2) throw unsupported(layer, `an input of the shape [${x.shape}]`);
    const planar = (key: string, fallback: number[]) =>
      layer.config[key] === null || layer.config[key] === undefined ? fallback : sizes(layer, key, axes);
    const size = planar(
      'pool_size',
      Array.from({ length: axes }, () => 2),
    );
    const strides = planar('strides', size);
    const padding = paddingCode(layer);
    const image = axes === 1 ? asImage(layer, x) : x;
    const [rows = 1, columns = 1] = axes === 1 ? [1, ...size] : size;
    const [strideH = 1, strideW = 1] = axes === 1 ? [1, ...strides] : strides;
    const [batch = -1, height = -1, width = -1, channels = -1] = image.shape;
    const shape = [
      batch,
      windowCount(height, rows, strideH, padding),
      windowCount(width, columns, strideW, padding),
      channels,
    ];
    const y = layer.graph.node(
      operator,
      [image],
      { name: `${layer.name}/pool`, shape },
      { padding, strideH, strideW, filterHeight: rows, filterWidth: columns, fusedActivationFunction: 0 },
    );
    return asDeclared(layer, axes === 1 ? asSequence(layer, y) : y);
  };

const globalPool =
  (operator: 'MEAN' | 'REDUCE_MAX', axes: number): LayerConverter =>
  (layer) => {
    const x = onlyInput(layer);
    if (x.shape.length !== axes + 2) throw unsupported(layer, `an input of the shape [${x.shape}]`);
    const first = layer.config['data_format'] === 'channels_first' ? 2 : 1;
    const over = Array.from({ length: axes }, (_, i) => first + i);
    const keepDims = layer.config['keepdims'] === true;
    const shape = x.shape.flatMap((size, axis) => (over.includes(axis) ? (keepDims ? [1] : []) : [size]));
    const operand = layer.graph.int32s(`${layer.name}/axes`, over);
    return layer.graph.node(operator, [x, operand], { name: `${layer.name}/pool`, shape }, { keepDims });
  };

/** Keras's pooling layers. */
export const pools = {
  AveragePooling1D: pool('AVERAGE_POOL_2D', 1),
  AveragePooling2D: pool('AVERAGE_POOL_2D', 2),
  GlobalAveragePooling1D: globalPool('MEAN', 1),
  GlobalAveragePooling2D: globalPool('MEAN', 2),
  GlobalAveragePooling3D: globalPool('MEAN', 3),
  GlobalMaxPooling1D: globalPool('REDUCE_MAX', 1),
  GlobalMaxPooling2D: globalPool('REDUCE_MAX', 2),
  GlobalMaxPooling3D: globalPool('REDUCE_MAX', 3),
  MaxPooling1D: pool('MAX_POOL_2D', 1),
  MaxPooling2D: pool('MAX_POOL_2D', 2),
} as const satisfies Record<string, LayerConverter>;
