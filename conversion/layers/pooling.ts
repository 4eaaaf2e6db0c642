import type { SymbolicTensor } from '../onnx/index.ts';
import {
  floatInput,
  type LayerContext,
  type LayerConverter,
  numberOption,
  sizesOption,
  unsupported,
} from './layer.ts';
import { isChannelsFirst, spatialInput, spatialOutput } from './layout.ts';
import { cast, dimOf, elementwise, reduce, slice, unsqueeze } from './shapes.ts';
import { type Window, windowAttributes, windowedSizes } from './windows.ts';

/** Without what lies behind the last window where that is smaller than its stride: the runtime's MaxPool would pad by less than nothing. */
function withoutRest(layer: LayerContext, x: SymbolicTensor, { kernel, strides }: Window): SymbolicTensor {
  const ranges = x.shape.slice(2).flatMap((size, i) => {
    const stride = strides[i] as number;
    const end = (Math.ceil(size / stride) - 1) * stride + (kernel[i] as number);
    return size > 0 && size > end ? [{ axis: i + 2, start: 0, end }] : [];
  });
  const open = kernel.flatMap((width, i) => {
    const stride = strides[i] as number;
    return x.shape[i + 2] === -1 && width < stride ? [{ axis: i + 2, width, stride }] : [];
  });
  return open.reduce((y, axis) => withoutOpenRest(layer, y, axis), slice(layer, x, ranges));
}

/** The same of an axis whose size is known at run time: up to (ceil(size / stride) - 1) * stride + width, or its end. */
function withoutOpenRest(
  layer: LayerContext,
  x: SymbolicTensor,
  { axis, width, stride }: { axis: number; width: number; stride: number },
): SymbolicTensor {
  const { graph } = layer;
  const number = (value: number) => graph.int64s(`${layer.name}/value`, [value]);
  const last = elementwise(layer, 'Sub', [dimOf(layer, x, axis), number(1)]);
  // Of whole numbers Div leaves out the rest.
  const start = elementwise(layer, 'Mul', [
    elementwise(layer, 'Div', [last, number(stride)]),
    number(stride),
  ]);
  const end = elementwise(layer, 'Add', [start, number(width)]);
  const name = `${layer.name}/slice`;
  return graph.node('Slice', [x, number(0), end, number(axis)], { name, shape: x.shape });
}

/**
 * Keras `MaxPooling1D..3D`, `AveragePooling1D..3D`. `same` pads with what does not count, as ONNX does.
 * @see https://keras.io/api/layers/pooling_layers/max_pooling2d/
 */
export const pooling =
  (op: 'MaxPool' | 'AveragePool', rank: number): LayerConverter =>
  (layer) => {
    const whole = spatialInput(layer, floatInput(layer));
    const kernel = sizesOption(layer, 'pool_size', rank, 2);
    const strides =
      (layer.config['strides'] ?? null) === null
        ? kernel
        : sizesOption(layer, 'strides', rank, numberOption(layer, 'pool_size', 2));
    const padding = String(layer.config['padding'] ?? 'valid').toLowerCase();
    const window: Window = { kernel, strides, dilations: kernel.map(() => 1), padding };
    const isCut = op === 'MaxPool' && padding === 'same';
    const x = isCut ? withoutRest(layer, whole, window) : whole;
    const sizes = x.shape.slice(2);
    const shape = [...x.shape.slice(0, 2), ...windowedSizes(layer, sizes, window)];
    const { pads: _, ...attributes } = windowAttributes(layer, sizes, window);
    // Named, not counted: the runtime takes zeros before a pool into counted padding, which does not count as zeros.
    const auto_pad = padding === 'valid' ? 'VALID' : 'SAME_UPPER';
    const y = layer.graph.node(op, [x], { name: `${layer.name}/pool`, shape }, { ...attributes, auto_pad });
    return spatialOutput(layer, y);
  };

/**
 * Keras `GlobalMaxPooling1D..3D`, `GlobalAveragePooling1D..3D`: over all of space; `keepdims` leaves sizes of 1.
 * The average over steps leaves out those that the mask takes out.
 * @see https://keras.io/api/layers/pooling_layers/global_average_pooling2d/
 */
export const globalPooling =
  (op: 'GlobalMaxPool' | 'GlobalAveragePool', rank: number): LayerConverter =>
  (layer) => {
    const given = layer.inputs[0];
    const mask = (layer.kwargs['mask'] ?? layer.inputs[1] ?? given?.mask) as SymbolicTensor | undefined;
    const keep = layer.config['keepdims'] === true;
    const source = floatInput({ ...layer, inputs: layer.inputs.slice(0, 1) });
    if (mask !== undefined && op === 'GlobalAveragePool' && rank === 1) {
      const steps = isChannelsFirst(layer) ? 2 : 1;
      const kept = cast(layer, unsqueeze(layer, mask, [isChannelsFirst(layer) ? 1 : 2]), 'float32');
      const sum = reduce(layer, 'ReduceSum', elementwise(layer, 'Mul', [source, kept]), [steps], keep);
      return elementwise(layer, 'Div', [sum, reduce(layer, 'ReduceSum', kept, [steps], keep)]);
    }
    const x = spatialInput(layer, source);
    const [batch, channels, ...sizes] = x.shape as [number, number, ...number[]];
    if (sizes.length !== rank) throw unsupported(layer, `an input of rank ${x.shape.length}`);
    const shape = [batch, channels, ...sizes.map(() => 1)];
    const y = layer.graph.node(op, [x], { name: `${layer.name}/pool`, shape });
    if (keep) return spatialOutput(layer, y);
    return layer.graph.node(
      'Flatten',
      [y],
      { name: `${layer.name}/flatten`, shape: [batch, channels] },
      { axis: 1n },
    );
  };

/** Keras 3 `AdaptiveAveragePooling`, `AdaptiveMaxPooling` where each window has the same size. */
export const adaptivePooling =
  (op: 'MaxPool' | 'AveragePool', rank: number): LayerConverter =>
  (layer) => {
    const x = spatialInput(layer, floatInput(layer));
    const wanted = sizesOption(layer, 'output_size', rank, 1);
    const sizes = x.shape.slice(2);
    if (sizes.some((size, i) => size < 1 || size % (wanted[i] as number) !== 0)) {
      throw unsupported(layer, `an input of [${sizes}] is not a multiple of output_size [${wanted}]`);
    }
    const kernel = sizes.map((size, i) => size / (wanted[i] as number));
    const window: Window = { kernel, strides: kernel, dilations: kernel.map(() => 1), padding: 'valid' };
    const y = layer.graph.node(
      op,
      [x],
      { name: `${layer.name}/pool`, shape: [...x.shape.slice(0, 2), ...wanted] },
      windowAttributes(layer, sizes, window),
    );
    return spatialOutput(layer, y);
  };
