import { variableOf } from '../keras/model.ts';
import type { SymbolicTensor } from '../onnx/index.ts';
import { activate, activationName, overAxis } from './activations.ts';
import {
  floatInput,
  type LayerConverter,
  numberOption,
  onlyInput,
  permuted,
  unsupported,
  weight,
  weightConstant,
} from './layer.ts';
import { anywhere, channelsFirst, channelsLast } from './layout.ts';
import { axisOf, elementwise, reduce, scalar } from './shapes.ts';

/**
 * Keras `Activation`: a function of activations.ts by name; `linear` leaves whole numbers what they are.
 * @see https://keras.io/api/layers/core_layers/activation/
 */
export const activation: LayerConverter = (layer) => {
  const x = onlyInput(layer);
  const isLeft = x.dtype !== 'float32' && activationName(layer.config['activation']) === 'linear';
  return isLeft ? x : activate(layer, floatInput(layer));
};

/** What Keras puts where a mask is false before the softmax. */
const masked = -1e9;

/**
 * Keras `Softmax` over one axis or several; a mask that travels with the input, or is given, takes values out.
 * @see https://keras.io/api/layers/activation_layers/softmax/
 */
export const softmax: LayerConverter = (layer) => {
  let x = floatInputOfFirst(layer);
  const wanted = layer.config['axis'] ?? -1;
  const axes = (Array.isArray(wanted) ? wanted : [wanted]).map((axis) =>
    axisOf(Number(axis), x.shape.length),
  );
  const mask = (layer.kwargs['mask'] ?? layer.inputs[1] ?? layer.inputs[0]?.mask) as
    | SymbolicTensor
    | undefined;
  if (mask !== undefined) {
    if (mask.shape.length !== x.shape.length)
      throw unsupported(layer, 'a mask of another rank than the input');
    x = elementwise(layer, 'Where', [mask, x, scalar(layer, masked)], 'float32');
  }
  const y =
    axes.length === 1
      ? overAxis(layer, 'Softmax', x, axes[0] as number)
      : elementwise(layer, 'Exp', [
          elementwise(layer, 'Sub', [x, reduce(layer, 'ReduceLogSumExp', x, axes, true)]),
        ]);
  const zeroes = mask !== undefined && layer.dialect === 'keras-3';
  return zeroes ? elementwise(layer, 'Where', [mask, y, scalar(layer, 0)], 'float32') : y;
};

const floatInputOfFirst: (layer: Parameters<LayerConverter>[0]) => SymbolicTensor = (layer) =>
  floatInput({ ...layer, inputs: layer.inputs.slice(0, 1) });

/**
 * Keras `ReLU(max_value, negative_slope, threshold)`: min(x, max) above the threshold, slope * (x - threshold) up to it.
 * @see https://keras.io/api/layers/activation_layers/relu/
 */
export const relu: LayerConverter = (layer) => {
  const slope = numberOption(layer, 'negative_slope', 0);
  const max = layer.config['max_value'];
  const threshold = numberOption(layer, 'threshold', 0);
  return anywhere(layer, [floatInput(layer)], ([input]) => {
    const x = input as SymbolicTensor;
    const named = { name: `${layer.name}/relu`, shape: x.shape };
    const bounded = (y: SymbolicTensor) =>
      typeof max === 'number' ? elementwise(layer, 'Min', [y, scalar(layer, max)]) : y;
    // One operator, which the runtime takes into the convolution before it.
    if (threshold === 0 && slope === 0 && typeof max === 'number')
      return layer.graph.node('Clip', [x, scalar(layer, 0), scalar(layer, max)], named);
    if (threshold !== 0) {
      const limit = scalar(layer, threshold);
      const below = elementwise(layer, 'Mul', [elementwise(layer, 'Sub', [x, limit]), scalar(layer, slope)]);
      const isAbove = elementwise(layer, 'Greater', [x, limit], 'bool');
      return elementwise(layer, 'Where', [isAbove, bounded(x), below], 'float32');
    }
    return bounded(
      slope === 0
        ? layer.graph.node('Relu', [x], named)
        : layer.graph.node('LeakyRelu', [x], named, { alpha: slope }),
    );
  });
};

/** Keras `LeakyReLU`: `alpha` in Keras 2, `negative_slope` in Keras 3; 0.3 by default. */
export const leakyRelu: LayerConverter = (layer) => {
  const alpha = Number(layer.config['negative_slope'] ?? layer.config['alpha'] ?? 0.3);
  return anywhere(layer, [floatInput(layer)], ([x]) =>
    layer.graph.node(
      'LeakyRelu',
      [x as SymbolicTensor],
      { name: `${layer.name}/leaky`, shape: (x as SymbolicTensor).shape },
      { alpha },
    ),
  );
};

/** Keras `ELU`. */
export const elu: LayerConverter = (layer) => {
  const alpha = numberOption(layer, 'alpha', 1);
  return anywhere(layer, [floatInput(layer)], ([x]) =>
    layer.graph.node(
      'Elu',
      [x as SymbolicTensor],
      { name: `${layer.name}/elu`, shape: (x as SymbolicTensor).shape },
      { alpha },
    ),
  );
};

/** Keras 2 `ThresholdedReLU`: x above theta, 0 elsewhere. */
export const thresholdedRelu: LayerConverter = (layer) => {
  const alpha = numberOption(layer, 'theta', 1);
  return anywhere(layer, [floatInput(layer)], ([x]) =>
    layer.graph.node(
      'ThresholdedRelu',
      [x as SymbolicTensor],
      { name: `${layer.name}/relu`, shape: (x as SymbolicTensor).shape },
      { alpha },
    ),
  );
};

/**
 * Keras `PReLU`: a learnt slope for each place of a row; shared axes have size 1.
 * @see https://keras.io/api/layers/activation_layers/prelu/
 */
export const prelu: LayerConverter = (layer) => {
  const x = floatInput(layer);
  const alpha = weight(layer, 'alpha');
  if (x.channelsFirst === undefined) {
    const slope = weightConstant(layer, 'alpha');
    return layer.graph.node('PRelu', [x, slope], { name: `${layer.name}/prelu`, shape: x.shape });
  }
  const rank = alpha.shape.length;
  const perm = [rank - 1, ...Array.from({ length: rank - 1 }, (_, i) => i)];
  const slope = layer.graph.once(variableOf(alpha), 'channels first', () =>
    layer.graph.constant(
      `${layer.name}/alpha`,
      'float32',
      perm.map((axis) => alpha.shape[axis] as number),
      permuted(alpha, perm),
    ),
  );
  const first = channelsFirst(layer, x);
  return channelsLast(
    layer,
    layer.graph.node('PRelu', [first, slope], { name: `${layer.name}/prelu`, shape: first.shape }),
  );
};
