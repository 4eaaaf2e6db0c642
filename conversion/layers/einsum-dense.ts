import { activate } from './activations.ts';
import { floatInput, type LayerConverter, unsupported, weight, weightConstant } from './layer.ts';
import { elementwise } from './shapes.ts';

/**
 * Keras `EinsumDense` as ONNX `Einsum` + `Add`. `...` of the equation becomes letters that it does not use.
 * @see https://keras.io/api/layers/core_layers/einsum_dense/
 */
export const einsumDense: LayerConverter = (layer) => {
  const x = floatInput(layer);
  const equation = String(layer.config['equation']).replaceAll(' ', '');
  const match = /^([a-zA-Z.]+),([a-zA-Z]+)->([a-zA-Z.]+)$/.exec(equation);
  if (match === null) throw unsupported(layer, `equation '${equation}'`);
  const named = match.slice(1).join('').replaceAll('.', '');
  const spare = [...'abcdefghijklmnopqrstuvwxyz'].filter((letter) => !named.includes(letter));
  const open = x.shape.length - (match[1] as string).replace('...', '').length;
  const letters = spare.slice(0, Math.max(open, 0)).join('');
  const [input, kernelLabels, output] = match.slice(1).map((part) => part.replace('...', letters)) as [
    string,
    string,
    string,
  ];
  const kernel = weightConstant(layer, 'kernel');
  if (input.length !== x.shape.length || kernelLabels.length !== kernel.shape.length) {
    throw unsupported(layer, `equation '${equation}' does not fit an input of rank ${x.shape.length}`);
  }
  const shape = [...output].map((label) =>
    input.includes(label)
      ? (x.shape[input.indexOf(label)] as number)
      : (kernel.shape[kernelLabels.indexOf(label)] as number),
  );
  const product = layer.graph.node(
    'Einsum',
    [x, kernel],
    { name: `${layer.name}/einsum`, shape },
    { equation: `${input},${kernelLabels}->${output}` },
  );
  if (!layer.weights.some(({ name }) => name === 'bias')) return activate(layer, product);
  const axes = String(layer.config['bias_axes']);
  const bias = weight(layer, 'bias');
  // Keras stores the bias with sizes of 1 for the axes after its first one, or without them.
  const positions = [...output].map((label) => axes.includes(label));
  const first = positions.indexOf(true);
  const dims = bias.shape.length === output.length - first ? bias.shape : undefined;
  if (dims === undefined) throw unsupported(layer, `bias_axes '${axes}' with a bias of [${bias.shape}]`);
  return activate(
    layer,
    elementwise(layer, 'Add', [product, weightConstant(layer, 'bias', undefined, dims)]),
  );
};
