import type { SymbolicTensor } from '../onnx/index.ts';
import { activate } from './activations.ts';
import {
  floatInput,
  type LayerContext,
  type LayerConverter,
  numberOption,
  sizesOption,
  unsupported,
  weight,
  weightConstant,
} from './layer.ts';
import { spatialInput, spatialOutput } from './layout.ts';
import { convolutionWindow, type Window, windowAttributes, windowedSizes } from './windows.ts';

const space = (rank: number) => Array.from({ length: rank }, (_, i) => i);

interface Kernel {
  readonly tensor: SymbolicTensor;
  readonly filters: number;
  readonly groups: number;
  readonly bias: boolean;
}

/** One ONNX Conv over [N, C, space...]. */
function convolve(layer: LayerContext, x: SymbolicTensor, window: Window, kernel: Kernel): SymbolicTensor {
  const [batch, channels, ...sizes] = x.shape as [number, number, ...number[]];
  const perGroup = kernel.tensor.shape[1] as number;
  if (channels >= 0 && channels !== perGroup * kernel.groups) {
    throw unsupported(
      layer,
      `a kernel for ${perGroup * kernel.groups} channels does not fit an input of ${channels}`,
    );
  }
  // Causal padding shortens nothing but looks back only; ONNX has it as plain padding in front.
  const shape = [batch, kernel.filters, ...windowedSizes(layer, sizes, window)];
  const bias = kernel.bias ? [weightConstant(layer, 'bias')] : [];
  return layer.graph.node(
    'Conv',
    [x, kernel.tensor, ...bias],
    { name: `${layer.name}/conv`, shape },
    {
      ...windowAttributes(layer, sizes, window),
      ...(kernel.groups === 1 ? {} : { group: BigInt(kernel.groups) }),
    },
  );
}

/**
 * Keras `Conv1D`, `Conv2D`, `Conv3D` as ONNX `Conv`.
 * Input [N, space..., C]; kernel [k..., C / groups, filters] becomes [filters, C / groups, k...]; output [N, space'..., filters].
 * @see https://keras.io/api/layers/convolution_layers/convolution2d/
 */
export const convolution =
  (rank: number): LayerConverter =>
  (layer) => {
    const x = spatialInput(layer, floatInput(layer));
    const tensor = weightConstant(layer, 'kernel', [rank + 1, rank, ...space(rank)]);
    const y = convolve(layer, x, convolutionWindow(layer, rank), {
      tensor,
      filters: tensor.shape[0] as number,
      groups: numberOption(layer, 'groups', 1),
      bias: layer.config['use_bias'] !== false,
    });
    return activate(layer, spatialOutput(layer, y));
  };

/** [k..., C, multiplier] as a grouped kernel [C * multiplier, 1, k...]. */
function depthwiseKernel(layer: LayerContext, rank: number): Omit<Kernel, 'bias'> {
  const { shape } = weight(layer, 'depthwise_kernel');
  const [channels, multiplier] = shape.slice(-2) as [number, number];
  const filters = channels * multiplier;
  const tensor = weightConstant(
    layer,
    'depthwise_kernel',
    [rank, rank + 1, ...space(rank)],
    [filters, 1, ...shape.slice(0, rank)],
  );
  return { tensor, filters, groups: channels };
}

/**
 * Keras `DepthwiseConv1D`, `DepthwiseConv2D`: each channel has filters of its own; ONNX Conv with as many groups as channels.
 * @see https://keras.io/api/layers/convolution_layers/depthwise_convolution2d/
 */
export const depthwiseConvolution =
  (rank: number): LayerConverter =>
  (layer) => {
    const x = spatialInput(layer, floatInput(layer));
    const kernel = { ...depthwiseKernel(layer, rank), bias: layer.config['use_bias'] !== false };
    return activate(layer, spatialOutput(layer, convolve(layer, x, convolutionWindow(layer, rank), kernel)));
  };

/**
 * Keras `SeparableConv1D`, `SeparableConv2D`: depthwise, then 1x1 over the channels.
 * @see https://keras.io/api/layers/convolution_layers/separable_convolution2d/
 */
export const separableConvolution =
  (rank: number): LayerConverter =>
  (layer) => {
    const x = spatialInput(layer, floatInput(layer));
    const deep = convolve(layer, x, convolutionWindow(layer, rank), {
      ...depthwiseKernel(layer, rank),
      bias: false,
    });
    const ones = space(rank).map(() => 1);
    const tensor = weightConstant(layer, 'pointwise_kernel', [rank + 1, rank, ...space(rank)]);
    const window = { kernel: ones, strides: ones, dilations: ones, padding: 'valid' };
    const y = convolve(layer, deep, window, {
      tensor,
      filters: tensor.shape[0] as number,
      groups: 1,
      bias: layer.config['use_bias'] !== false,
    });
    return activate(layer, spatialOutput(layer, y));
  };

/**
 * Keras `Conv1DTranspose`, `Conv2DTranspose`, `Conv3DTranspose` as ONNX `ConvTranspose`.
 * Kernel [k..., filters, C] becomes [C, filters, k...]. `same` gives size * stride, `valid` size * stride + max(k - stride, 0).
 * @see https://keras.io/api/layers/convolution_layers/convolution2d_transpose/
 */
export const transposedConvolution =
  (rank: number): LayerConverter =>
  (layer) => {
    const x = spatialInput(layer, floatInput(layer));
    const { kernel, strides, dilations, padding } = convolutionWindow(layer, rank);
    const wanted =
      (layer.config['output_padding'] ?? null) === null
        ? undefined
        : sizesOption(layer, 'output_padding', rank, 0);
    if (padding !== 'same' && padding !== 'valid')
      throw unsupported(layer, `padding '${padding}' is not known`);
    const pads = { begin: [] as bigint[], end: [] as bigint[], extra: [] as bigint[] };
    const sizes = x.shape.slice(2).map((size, i) => {
      const stride = strides[i] as number;
      const span = ((kernel[i] as number) - 1) * (dilations[i] as number) + 1;
      const extra = wanted?.[i];
      // Output size = size * stride + `more`; without padding ONNX gives size * stride - stride + span.
      const more =
        padding === 'valid'
          ? extra === undefined
            ? Math.max(span - stride, 0)
            : span - stride + extra
          : extra === undefined
            ? 0
            : span - stride + extra - 2 * Math.floor(span / 2);
      const surplus = span - stride - more;
      // TensorFlow's `same` leaves out as much in front as the forward convolution would pad there.
      const cut = padding === 'same' ? Math.max(surplus, 0) : 0;
      pads.begin.push(BigInt(Math.floor(cut / 2)));
      pads.end.push(BigInt(cut - Math.floor(cut / 2)));
      pads.extra.push(BigInt(Math.max(cut - surplus, 0)));
      return size < 0 ? -1 : size * stride + more;
    });
    const tensor = weightConstant(layer, 'kernel', [rank + 1, rank, ...space(rank)]);
    const bias = layer.config['use_bias'] === false ? [] : [weightConstant(layer, 'bias')];
    const shape = [x.shape[0] as number, tensor.shape[1] as number, ...sizes];
    const y = layer.graph.node(
      'ConvTranspose',
      [x, tensor, ...bias],
      { name: `${layer.name}/conv`, shape },
      {
        kernel_shape: kernel.map(BigInt),
        strides: strides.map(BigInt),
        ...(dilations.some((dilation) => dilation !== 1) ? { dilations: dilations.map(BigInt) } : {}),
        pads: [...pads.begin, ...pads.end],
        ...(pads.extra.some((pad) => pad > 0n) ? { output_padding: pads.extra } : {}),
      },
    );
    return activate(layer, spatialOutput(layer, y));
  };
