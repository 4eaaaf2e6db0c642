import type { SymbolicTensor } from '../onnx/index.ts';
import { type LayerContext, unsupported } from './layer.ts';

type Activation = (layer: LayerContext, x: SymbolicTensor) => SymbolicTensor;

const like = (layer: LayerContext, x: SymbolicTensor, suffix: string) => ({
  name: `${layer.name}/${suffix}`,
  shape: x.shape,
});

const scalar = (layer: LayerContext, name: string, value: number) =>
  layer.graph.constant(`${layer.name}/${name}`, 'float32', [], Float32Array.of(value));

const unary =
  (op: string, attributes: Readonly<Record<string, bigint | number | string>> = {}): Activation =>
  (layer, x) =>
    layer.graph.node(op, [x], like(layer, x, op.toLowerCase()), attributes);

const multiply = (layer: LayerContext, a: SymbolicTensor, b: SymbolicTensor) =>
  layer.graph.node('Mul', [a, b], like(layer, a, 'mul'));

/** x * sigmoid(x). */
const silu: Activation = (layer, x) => multiply(layer, x, unary('Sigmoid')(layer, x));

/** Keras 2: clip(0.2x + 0.5, 0, 1); Keras 3: relu6(x + 3) / 6, which is clip(x/6 + 0.5, 0, 1). */
const hardSigmoid: Activation = (layer, x) =>
  unary('HardSigmoid', { alpha: layer.dialect === 'keras-3' ? 1 / 6 : 0.2, beta: 0.5 })(layer, x);

const relu6: Activation = (layer, x) =>
  layer.graph.node('Clip', [x, scalar(layer, 'zero', 0), scalar(layer, 'six', 6)], like(layer, x, 'relu6'));

/**
 * Keras's activation functions by the name in the config.
 * @see https://keras.io/api/layers/activations/
 */
export const activations = {
  elu: unary('Elu', { alpha: 1 }),
  exponential: unary('Exp'),
  gelu: unary('Gelu'),
  hard_sigmoid: hardSigmoid,
  hard_silu: (layer, x) => multiply(layer, x, hardSigmoid(layer, x)),
  hard_swish: (layer, x) => multiply(layer, x, hardSigmoid(layer, x)),
  leaky_relu: unary('LeakyRelu', { alpha: 0.2 }),
  linear: (_layer, x) => x,
  log_softmax: unary('LogSoftmax', { axis: -1n }),
  mish: unary('Mish'),
  relu: unary('Relu'),
  relu6,
  selu: unary('Selu', { alpha: 1.6732632423543772, gamma: 1.0507009873554805 }),
  sigmoid: unary('Sigmoid'),
  silu,
  softmax: unary('Softmax', { axis: -1n }),
  softplus: unary('Softplus'),
  softsign: unary('Softsign'),
  swish: silu,
  tanh: unary('Tanh'),
} as const satisfies Record<string, Activation>;

/** Applies the `activation` of a layer's config to `x`; none is linear. */
export function activate(layer: LayerContext, x: SymbolicTensor): SymbolicTensor {
  const name = layer.config['activation'] ?? 'linear';
  if (typeof name !== 'string' || !(name in activations)) {
    throw unsupported(layer, `activation ${JSON.stringify(name)} is not known`);
  }
  return activations[name as keyof typeof activations](layer, x);
}
