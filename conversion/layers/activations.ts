import type { LayerConfig } from '../keras/model.ts';
import type { SymbolicTensor } from '../onnx/index.ts';
import { type LayerContext, unsupported } from './layer.ts';
import { anywhere } from './layout.ts';
import { elementwise, scalar } from './shapes.ts';

type Activation = (layer: LayerContext, x: SymbolicTensor) => SymbolicTensor;

const unary =
  (op: string, attributes: Readonly<Record<string, bigint | number | string>> = {}): Activation =>
  (layer, x) =>
    layer.graph.node(op, [x], { name: `${layer.name}/${op.toLowerCase()}`, shape: x.shape }, attributes);

const multiply = (layer: LayerContext, a: SymbolicTensor, b: SymbolicTensor) =>
  elementwise(layer, 'Mul', [a, b]);
const add = (layer: LayerContext, a: SymbolicTensor, b: SymbolicTensor) => elementwise(layer, 'Add', [a, b]);
const subtract = (layer: LayerContext, a: SymbolicTensor, b: SymbolicTensor) =>
  elementwise(layer, 'Sub', [a, b]);
const sigmoid = unary('Sigmoid');
const tanh = unary('Tanh');

/** x * sigmoid(x). */
const silu: Activation = (layer, x) => multiply(layer, x, sigmoid(layer, x));

/** Keras 2: clip(0.2x + 0.5, 0, 1); Keras 3: relu6(x + 3) / 6, which is clip(x/6 + 0.5, 0, 1). */
const hardSigmoid: Activation = (layer, x) =>
  unary('HardSigmoid', { alpha: layer.dialect === 'keras-3' ? 1 / 6 : 0.2, beta: 0.5 })(layer, x);

/** x * relu6(x + 3) / 6, whatever the dialect. */
const hardSilu: Activation = (layer, x) =>
  multiply(layer, x, unary('HardSigmoid', { alpha: 1 / 6, beta: 0.5 })(layer, x));

const clip =
  (low: number, high: number): Activation =>
  (layer, x) =>
    layer.graph.node('Clip', [x, scalar(layer, low), scalar(layer, high)], {
      name: `${layer.name}/clip`,
      shape: x.shape,
    });

const shrink = (bias: number): Activation => unary('Shrink', { lambd: 0.5, bias });

/** (x + sqrt(x² + 4)) / 2. */
const squareplus: Activation = (layer, x) => {
  const root = unary('Sqrt')(layer, add(layer, multiply(layer, x, x), scalar(layer, 4)));
  return multiply(layer, add(layer, x, root), scalar(layer, 0.5));
};

/** 0 below -1, (x + 1)² / 4 up to 1, x beyond. */
const sparsePlus: Activation = (layer, x) => {
  const middle = clip(-1, 1)(layer, x);
  const one = add(layer, middle, scalar(layer, 1));
  const bent = multiply(layer, multiply(layer, one, one), scalar(layer, 0.25));
  const beyond = unary('Relu')(layer, subtract(layer, x, scalar(layer, 1)));
  return add(layer, bent, beyond);
};

/** log(sigmoid(x)) = -softplus(-x). */
const logSigmoid: Activation = (layer, x) =>
  unary('Neg')(layer, unary('Softplus')(layer, unary('Neg')(layer, x)));

/**
 * Keras's activation functions by the name in the config.
 * @see https://keras.io/api/layers/activations/
 */
export const activations = {
  celu: unary('Celu', { alpha: 1 }),
  elu: unary('Elu', { alpha: 1 }),
  exponential: unary('Exp'),
  gelu: unary('Gelu'),
  hard_shrink: shrink(0),
  hard_sigmoid: hardSigmoid,
  hard_silu: hardSilu,
  hard_swish: hardSilu,
  hard_tanh: clip(-1, 1),
  leaky_relu: unary('LeakyRelu', { alpha: 0.2 }),
  linear: (_layer, x) => x,
  log_sigmoid: logSigmoid,
  mish: unary('Mish'),
  relu: unary('Relu'),
  relu6: clip(0, 6),
  selu: unary('Selu', { alpha: 1.6732632423543772, gamma: 1.0507009873554805 }),
  sigmoid,
  silu,
  soft_shrink: shrink(0.5),
  softplus: unary('Softplus'),
  softsign: unary('Softsign'),
  sparse_plus: sparsePlus,
  sparse_sigmoid: unary('HardSigmoid', { alpha: 0.5, beta: 0.5 }),
  squareplus,
  swish: silu,
  tanh,
  tanh_shrink: (layer, x) => subtract(layer, x, tanh(layer, x)),
} as const satisfies Record<string, Activation>;

/** Those that look at all values of a row: over the last axis, which is axis 1 where the channels are first. */
export const rowActivations = { log_softmax: 'LogSoftmax', softmax: 'Softmax' } as const;

/** Softmax or LogSoftmax over an axis of Keras's form. */
export function overAxis(layer: LayerContext, op: string, x: SymbolicTensor, axis: number): SymbolicTensor {
  const isLast = axis === -1 || axis === x.shape.length - 1;
  return unary(op, { axis: BigInt(isLast ? -1 : axis) })(layer, x);
}

/** Applies an activation function to `x` by its name. @throws ConversionError where there is none such */
export function applyNamed(layer: LayerContext, name: string, x: SymbolicTensor): SymbolicTensor {
  if (Object.hasOwn(rowActivations, name)) {
    return overAxis(layer, rowActivations[name as keyof typeof rowActivations], x, -1);
  }
  if (!Object.hasOwn(activations, name)) throw unsupported(layer, `activation '${name}' is not known`);
  const apply: Activation = activations[name as keyof typeof activations];
  return anywhere(layer, [x], ([value]) => apply(layer, value as SymbolicTensor));
}

/** The name of an activation as the config writes it: a string, or a registered function. */
export function activationName(value: unknown): string | undefined {
  if (value === null || value === undefined) return 'linear';
  if (typeof value === 'string') return value;
  const { class_name: kind, config } = value as { class_name?: string; config?: unknown };
  return kind === 'function' && typeof config === 'string' ? config : undefined;
}

/** Applies the `activation` of a layer's config to `x`: a function by name, or a layer such as LeakyReLU; none is linear. */
export function activate(layer: LayerContext, x: SymbolicTensor, key = 'activation'): SymbolicTensor {
  const value = layer.config[key];
  const name = activationName(value);
  if (name !== undefined) return applyNamed(layer, name, x);
  const [y] = layer.inner(value as LayerConfig, key, [x]);
  return y as SymbolicTensor;
}
