import type { Value } from '../ir.ts';
import { binary, unary } from './arithmetic.ts';
import { type LayerContext, unsupported } from './layer.ts';
import { transpose } from './movement.ts';

type Activation = (layer: LayerContext, x: Value) => Value;

const operator =
  (name: string, options: Readonly<Record<string, number | boolean>> = {}): Activation =>
  (layer, x) =>
    unary(layer, name, x, options);

const clip = (layer: LayerContext, x: Value, low: number, high: number) =>
  binary(layer, 'MAXIMUM', binary(layer, 'MINIMUM', x, high), low);

/** relu(x) + alpha * expm1(min(x, 0)), times `scale`: TFLite's ELU knows alpha 1 only. */
export function elu(layer: LayerContext, x: Value, alpha: number, scale = 1): Value {
  if (alpha === 1 && scale === 1) return unary(layer, 'ELU', x);
  const positive = unary(layer, 'RELU', x);
  const negative = unary(layer, 'ELU', binary(layer, 'MINIMUM', x, 0));
  const scaled = scale === 1 ? positive : binary(layer, 'MUL', positive, scale);
  return binary(layer, 'ADD', scaled, binary(layer, 'MUL', negative, alpha * scale));
}

/** Keras 2: clip(0.2x + 0.5, 0, 1); Keras 3: relu6(x + 3) / 6. */
const hardSigmoid: Activation = (layer, x) =>
  layer.dialect === 'keras-3'
    ? binary(layer, 'MUL', unary(layer, 'RELU6', binary(layer, 'ADD', x, 3)), 1 / 6)
    : clip(layer, binary(layer, 'ADD', binary(layer, 'MUL', x, 0.2), 0.5), 0, 1);

/** log(1 + exp(x)) without overflow: max(x, 0) + log(1 + exp(-|x|)). */
const softplus: Activation = (layer, x) => {
  const small = unary(layer, 'EXP', unary(layer, 'NEG', unary(layer, 'ABS', x)));
  return binary(layer, 'ADD', unary(layer, 'RELU', x), unary(layer, 'LOG', binary(layer, 'ADD', small, 1)));
};

const silu: Activation = (layer, x) => binary(layer, 'MUL', x, unary(layer, 'LOGISTIC', x));

/** x where |x| > 0.5 shrunk or not: Keras's hard_shrink and soft_shrink by clipping to [-0.5, 0.5]. */
const softShrink: Activation = (layer, x) => binary(layer, 'SUB', x, clip(layer, x, -0.5, 0.5));

/** Over the last axis. */
const softmax: Activation = operator('SOFTMAX', { beta: 1 });

/** Keras's activation functions by the name in the config. @see https://keras.io/api/layers/activations/ */
export const activations = {
  celu: (layer, x) => elu(layer, x, 1),
  elu: (layer, x) => elu(layer, x, 1),
  exponential: operator('EXP'),
  gelu: operator('GELU', { approximate: false }),
  hard_sigmoid: hardSigmoid,
  hard_silu: operator('HARD_SWISH'),
  hard_swish: operator('HARD_SWISH'),
  hard_tanh: (layer, x) => clip(layer, x, -1, 1),
  leaky_relu: operator('LEAKY_RELU', { alpha: 0.2 }),
  linear: (_layer, x) => x,
  log_sigmoid: (layer, x) => unary(layer, 'NEG', softplus(layer, unary(layer, 'NEG', x))),
  log_softmax: operator('LOG_SOFTMAX'),
  mish: (layer, x) => binary(layer, 'MUL', x, unary(layer, 'TANH', softplus(layer, x))),
  relu: operator('RELU'),
  relu6: operator('RELU6'),
  selu: (layer, x) => elu(layer, x, 1.6732632423543772, 1.0507009873554805),
  sigmoid: operator('LOGISTIC'),
  silu,
  soft_shrink: softShrink,
  softmax,
  softplus,
  softsign: (layer, x) => binary(layer, 'DIV', x, binary(layer, 'ADD', unary(layer, 'ABS', x), 1)),
  swish: silu,
  tanh: operator('TANH'),
  tanh_shrink: (layer, x) => binary(layer, 'SUB', x, unary(layer, 'TANH', x)),
} as const satisfies Record<string, Activation>;

/** The function that a config names under `key`; none is linear. */
export function activationNamed(layer: LayerContext, key: string): Activation {
  const name = layer.config[key] ?? 'linear';
  if (typeof name !== 'string' || !Object.hasOwn(activations, name)) {
    throw unsupported(layer, `${key} ${JSON.stringify(name)} is not known`);
  }
  return activations[name as keyof typeof activations];
}

/** Applies the `activation` of a layer's config. */
export function activate(layer: LayerContext, x: Value): Value {
  return activationNamed(layer, 'activation')(layer, x);
}

/** Softmax over any one axis. */
export function softmaxOver(layer: LayerContext, x: Value, axis: number): Value {
  const order = x.shape.map((_, i) => i);
  [order[axis], order[order.length - 1]] = [order.at(-1) as number, order[axis] as number];
  return transpose(layer, softmax(layer, transpose(layer, x, order)), order);
}
