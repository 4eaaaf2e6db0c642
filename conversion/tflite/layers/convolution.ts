import type { Value } from '../ir.ts';
import { activate } from './activations.ts';
import { type LayerContext, type LayerConverter, onlyInput, unsupported, weight } from './layer.ts';
import { asDeclared, channelsLast, transposedData } from './movement.ts';
import { pad } from './padding.ts';
import { asImage, asSequence } from './sequences.ts';
import { paddingCode, sizes, windowCount } from './windows.ts';

/** A kernel of Keras [h, w, in, out]; a 1-D one [l, in, out] becomes [1, l, in, out]. */
interface Kernel {
  readonly shape: readonly [number, number, number, number];
  readonly data: Float32Array;
}

function kernelOf(layer: LayerContext, name: string, axes: number): Kernel {
  const { shape, data } = weight(layer, name);
  if (shape.length !== axes + 2) throw unsupported(layer, `${name} has the shape [${shape}]`);
  return { shape: (axes === 1 ? [1, ...shape] : shape) as unknown as Kernel['shape'], data };
}

/** Two numbers, for rows and columns; a 1-D layer has one row. */
const planar = (layer: LayerContext, key: string, axes: number) =>
  (axes === 1 ? [1, ...sizes(layer, key, 1)] : sizes(layer, key, 2)) as [number, number];

/** The bias, or zeros: the kernels want one. */
function biasOf(layer: LayerContext, units: number): Value {
  const data = layer.config['use_bias'] === false ? new Float32Array(units) : weight(layer, 'bias').data;
  return layer.graph.constant(`${layer.name}/bias`, 'float32', [units], data);
}

/** Where windows lie: what both convolutions of TFLite share. */
interface Windows {
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  readonly padding: number;
}

function outputShape(x: Value, kernel: Kernel, windows: Windows, channels: number): number[] {
  const [batch = -1, height = -1, width = -1] = x.shape;
  const count = (size: number, axis: 0 | 1) => {
    const reach = ((kernel.shape[axis] as number) - 1) * windows.dilations[axis] + 1;
    return windowCount(size, reach, windows.strides[axis], windows.padding);
  };
  return [batch, count(height, 0), count(width, 1), channels];
}

function windowOptions({ strides, dilations, padding }: Windows) {
  return {
    padding,
    strideH: strides[0],
    strideW: strides[1],
    dilationHFactor: dilations[0],
    dilationWFactor: dilations[1],
    fusedActivationFunction: 0,
  };
}

function conv(layer: LayerContext, x: Value, kernel: Kernel, windows: Windows, suffix: string): Value {
  const [height, width, depth, outputs] = kernel.shape;
  if ((x.shape[3] as number) % depth !== 0) {
    throw unsupported(layer, `kernel [${kernel.shape}] does not fit the input [${x.shape}]`);
  }
  const data = transposedData(kernel.data, kernel.shape, [3, 0, 1, 2]);
  const shape = [outputs, height, width, depth];
  const filter = layer.graph.constant(`${layer.name}/${suffix}`, 'float32', shape, data);
  return layer.graph.node(
    'CONV_2D',
    [x, filter, biasOf(layer, outputs)],
    { name: `${layer.name}/conv`, shape: outputShape(x, kernel, windows, outputs) },
    windowOptions(windows),
  );
}

function depthwise(layer: LayerContext, x: Value, kernel: Kernel, windows: Windows, bias: Value): Value {
  const [height, width, channels, multiplier] = kernel.shape;
  if (x.shape[3] !== channels) throw unsupported(layer, `kernel [${kernel.shape}] on the input [${x.shape}]`);
  const outputs = channels * multiplier;
  const name = `${layer.name}/depthwise_kernel`;
  const filter = layer.graph.constant(name, 'float32', [1, height, width, outputs], kernel.data);
  return layer.graph.node(
    'DEPTHWISE_CONV_2D',
    [x, filter, bias],
    { name: `${layer.name}/depthwise`, shape: outputShape(x, kernel, windows, outputs) },
    { ...windowOptions(windows), depthMultiplier: multiplier },
  );
}

/** Brings a layer's input into the form of an image, runs `f`, and brings the result back. */
function onImage(layer: LayerContext, axes: number, f: (x: Value) => Value): Value {
  const x = channelsLast(layer, onlyInput(layer));
  if (x.shape.length !== axes + 2) throw unsupported(layer, `an input of the shape [${x.shape}]`);
  const y = axes === 1 ? asSequence(layer, f(asImage(layer, x))) : f(x);
  return asDeclared(layer, activate(layer, y));
}

/** `causal` looks at the past only: zeros before the sequence, then windows without padding. */
function windowsOf(
  layer: LayerContext,
  x: Value,
  axes: number,
  reach: number,
): { x: Value; windows: Windows } {
  const [strides, dilations] = [planar(layer, 'strides', axes), planar(layer, 'dilation_rate', axes)];
  if (layer.config['padding'] !== 'causal') {
    return { x, windows: { strides, dilations, padding: paddingCode(layer) } };
  }
  const before = (reach - 1) * dilations[1];
  const padded = pad(layer, x, [
    [0, 0],
    [0, 0],
    [before, 0],
    [0, 0],
  ]);
  return { x: padded, windows: { strides, dilations, padding: 1 } };
}

const convolution =
  (axes: 1 | 2): LayerConverter =>
  (layer) =>
    onImage(layer, axes, (image) => {
      const kernel = kernelOf(layer, 'kernel', axes);
      const { x, windows } = windowsOf(layer, image, axes, kernel.shape[1]);
      return conv(layer, x, kernel, windows, 'kernel');
    });

const depthwiseConvolution =
  (axes: 1 | 2): LayerConverter =>
  (layer) =>
    onImage(layer, axes, (image) => {
      const kernel = kernelOf(
        layer,
        layer.weights.some((w) => w.name === 'kernel') ? 'kernel' : 'depthwise_kernel',
        axes,
      );
      const { x, windows } = windowsOf(layer, image, axes, kernel.shape[1]);
      return depthwise(layer, x, kernel, windows, biasOf(layer, kernel.shape[2] * kernel.shape[3]));
    });

const separableConvolution =
  (axes: 1 | 2): LayerConverter =>
  (layer) =>
    onImage(layer, axes, (image) => {
      const [spatial, pointwise] = [
        kernelOf(layer, 'depthwise_kernel', axes),
        kernelOf(layer, 'pointwise_kernel', axes),
      ];
      const { x, windows } = windowsOf(layer, image, axes, spatial.shape[1]);
      const channels = spatial.shape[2] * spatial.shape[3];
      const none = layer.graph.constant(
        `${layer.name}/no_bias`,
        'float32',
        [channels],
        new Float32Array(channels),
      );
      const between = depthwise(layer, x, spatial, windows, none);
      return conv(
        layer,
        between,
        pointwise,
        { strides: [1, 1], dilations: [1, 1], padding: 1 },
        'pointwise_kernel',
      );
    });

/** Length of a transposed convolution's result along one axis, as Keras computes it. */
function transposedLength(
  layer: LayerContext,
  size: number,
  kernel: number,
  stride: number,
  extra: number | undefined,
) {
  if (size < 0) throw unsupported(layer, 'the size of its input is open');
  const isSame = paddingCode(layer) === 0;
  if (extra === undefined) return isSame ? size * stride : size * stride + Math.max(kernel - stride, 0);
  return (size - 1) * stride + kernel - (isSame ? 2 * Math.floor(kernel / 2) : 0) + extra;
}

const transposedConvolution =
  (axes: 1 | 2): LayerConverter =>
  (layer) =>
    onImage(layer, axes, (x) => {
      // Keras stores [h, w, out, in].
      const kernel = kernelOf(layer, 'kernel', axes);
      const [kernelH, kernelW, outputs, depth] = kernel.shape;
      const strides = planar(layer, 'strides', axes);
      if (planar(layer, 'dilation_rate', axes).some((rate) => rate !== 1)) {
        throw unsupported(layer, 'TFLite has no dilated transposed convolution');
      }
      const given = layer.config['output_padding'] ?? undefined;
      const extra = given === undefined ? [] : [given].flat();
      const [, height = -1, width = -1] = x.shape;
      const rows = axes === 1 ? 1 : transposedLength(layer, height, kernelH, strides[0], extra[0] as number);
      const columns = transposedLength(layer, width, kernelW, strides[1], extra.at(-1) as number);
      const { graph, name } = layer;
      const shape = graph.node(
        'SHAPE',
        [x],
        { name: `${name}/shape`, shape: [4], dtype: 'int32' },
        { outType: 2 },
      );
      const zero = graph.int32s(`${name}/first`, [0]);
      const one = graph.int32s(`${name}/one`, [1]);
      const batch = graph.node('SLICE', [shape, zero, one], { name: `${name}/batch`, shape: [1] });
      const rest = graph.int32s(`${name}/rest`, [rows, columns, outputs]);
      const target = graph.node(
        'CONCATENATION',
        [batch, rest],
        { name: `${name}/target`, shape: [4] },
        { axis: 0 },
      );
      const data = transposedData(kernel.data, kernel.shape, [2, 0, 1, 3]);
      const filter = graph.constant(`${name}/kernel`, 'float32', [outputs, kernelH, kernelW, depth], data);
      return graph.node(
        'TRANSPOSE_CONV',
        [target, filter, x, biasOf(layer, outputs)],
        { name: `${name}/conv`, shape: [x.shape[0] as number, rows, columns, outputs], dtype: 'float32' },
        { padding: paddingCode(layer), strideH: strides[0], strideW: strides[1], fusedActivationFunction: 0 },
      );
    });

/** Keras's convolutions over sequences and images, as TFLite's over images. */
export const convolutions = {
  Conv1D: convolution(1),
  Conv1DTranspose: transposedConvolution(1),
  Conv2D: convolution(2),
  Conv2DTranspose: transposedConvolution(2),
  DepthwiseConv1D: depthwiseConvolution(1),
  DepthwiseConv2D: depthwiseConvolution(2),
  SeparableConv1D: separableConvolution(1),
  SeparableConv2D: separableConvolution(2),
} as const satisfies Record<string, LayerConverter>;
