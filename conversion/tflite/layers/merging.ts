import type { Value } from '../ir.ts';
import { binary } from './arithmetic.ts';
import { axisOf, type LayerContext, type LayerConverter, numberOf, unsupported } from './layer.ts';
import { reshape } from './movement.ts';

/** Values of fewer dimensions get ones after the batch, as Keras does before it merges. */
function evened(layer: LayerContext): readonly Value[] {
  const rank = Math.max(...layer.inputs.map((input) => input.shape.length));
  if (layer.inputs.length < 2) throw unsupported(layer, 'it merges fewer than two values');
  return layer.inputs.map((input) => {
    const missing = rank - input.shape.length;
    if (missing === 0) return input;
    const [batch = -1, ...rest] = input.shape;
    return reshape(layer, input, [batch, ...Array.from({ length: missing }, () => 1), ...rest]);
  });
}

const chain =
  (operator: string): LayerConverter =>
  (layer) =>
    evened(layer).reduce((sum, value) => binary(layer, operator, sum, value));

const average: LayerConverter = (layer) =>
  binary(layer, 'MUL', chain('ADD')(layer) as Value, 1 / layer.inputs.length);

const concatenate: LayerConverter = (layer) => {
  const [first] = layer.inputs;
  if (first === undefined) throw unsupported(layer, 'it has no inputs');
  const axis = axisOf(layer, numberOf(layer, 'axis', -1), first.shape.length);
  const shape = first.shape.map((size, i) => {
    const sizes = layer.inputs.map((input) => input.shape[i] as number);
    if (i !== axis) return size;
    return sizes.some((one) => one < 0) ? -1 : sizes.reduce((a, b) => a + b, 0);
  });
  return layer.graph.node(
    'CONCATENATION',
    layer.inputs,
    { name: `${layer.name}/concat`, shape },
    { axis, fusedActivationFunction: 0 },
  );
};

/** Keras's merging layers. */
export const mergers = {
  Add: chain('ADD'),
  Average: average,
  Concatenate: concatenate,
  Maximum: chain('MAXIMUM'),
  Minimum: chain('MINIMUM'),
  Multiply: chain('MUL'),
  Subtract: chain('SUB'),
} as const satisfies Record<string, LayerConverter>;
