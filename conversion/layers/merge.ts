import type { SymbolicTensor } from '../onnx/index.ts';
import { asFloat, type LayerContext, type LayerConverter, numberOption, unsupported } from './layer.ts';
import { anywhere } from './layout.ts';
import {
  axisOf,
  concat,
  elementwise,
  extremeOf,
  matmul,
  reduce,
  scalar,
  squeeze,
  transpose,
  unsqueeze,
} from './shapes.ts';

/** The inputs of a merge; those of lower rank get sizes of 1 after the batch, as Keras does. */
function operands(layer: LayerContext): SymbolicTensor[] {
  if (layer.inputs.length < 2) throw unsupported(layer, 'it needs at least two inputs');
  const isFloat = layer.inputs.some((input) => input.dtype.startsWith('float'));
  const inputs = layer.inputs.map((input) => (isFloat ? asFloat(layer, input) : input));
  const rank = Math.max(...inputs.map((input) => input.shape.length));
  return inputs.map((input) => {
    const missing = rank - input.shape.length;
    return missing === 0
      ? input
      : unsqueeze(
          layer,
          input,
          Array.from({ length: missing }, (_, i) => i + 1),
        );
  });
}

const joinedBy = (layer: LayerContext, op: string, pair: readonly SymbolicTensor[]) =>
  op === 'Max' || op === 'Min' ? extremeOf(layer, op, pair) : elementwise(layer, op, pair);

const fold = (layer: LayerContext, op: string, inputs: readonly SymbolicTensor[]) =>
  inputs.slice(1).reduce((sum, input) => joinedBy(layer, op, [sum, input]), inputs[0] as SymbolicTensor);

/** `x` where the mask of [N, steps] allows, `other` elsewhere. */
const allowed = (layer: LayerContext, mask: SymbolicTensor, x: SymbolicTensor, other: SymbolicTensor) =>
  elementwise(layer, 'Where', [unsqueeze(layer, mask, [-1]), x, other], x.dtype);

/** Keras 3's product: what is masked counts as 1; where every input has a mask and none allows, it is 0. */
function maskedProduct(layer: LayerContext, inputs: readonly SymbolicTensor[]): SymbolicTensor {
  const one = scalar(layer, 1, (inputs[0] as SymbolicTensor).dtype);
  const factors = inputs.map((x) => (x.mask === undefined ? x : allowed(layer, x.mask, x, one)));
  const product = fold(layer, 'Mul', factors);
  const masks = inputs.flatMap(({ mask }) => (mask === undefined ? [] : [mask]));
  if (masks.length < inputs.length) return product;
  const any = masks.reduce((a, b) => elementwise(layer, 'Or', [a, b], 'bool'));
  return allowed(layer, any, product, scalar(layer, 0, product.dtype));
}

/** Keras 3's extremes: what is masked leaves the choice to what came before, or comes next. */
function maskedExtreme(layer: LayerContext, op: string, inputs: readonly SymbolicTensor[]): SymbolicTensor {
  let [output, ...rest] = inputs as [SymbolicTensor, ...SymbolicTensor[]];
  let outputMask = output.mask;
  for (const input of rest) {
    const { mask } = input;
    const x = mask === undefined ? input : allowed(layer, mask, input, output);
    if (outputMask !== undefined) output = allowed(layer, outputMask, output, x);
    outputMask =
      mask === undefined || outputMask === undefined
        ? undefined
        : elementwise(layer, 'Or', [outputMask, mask], 'bool');
    output = joinedBy(layer, op, [output, x]);
  }
  return output;
}

/**
 * Keras `Add`, `Subtract`, `Multiply`, `Maximum`, `Minimum`: one input after the other.
 * @see https://keras.io/api/layers/merging_layers/
 */
export const merge =
  (op: 'Add' | 'Sub' | 'Mul' | 'Max' | 'Min'): LayerConverter =>
  (layer) => {
    const inputs = operands(layer);
    const isMasked = layer.inputs.some(({ mask }) => mask !== undefined);
    if (layer.dialect !== 'keras-3' || !isMasked || op === 'Add' || op === 'Sub')
      return anywhere(layer, inputs, (values) => fold(layer, op, values));
    if (inputs.some((x, i) => x.shape.length !== layer.inputs[i]?.shape.length))
      throw unsupported(layer, 'masked inputs of different ranks');
    return op === 'Mul' ? maskedProduct(layer, inputs) : maskedExtreme(layer, op, inputs);
  };

/** Keras `Average`; the sum of whole numbers is one, which runs over, their average is none. */
export const average: LayerConverter = (layer) => {
  const given = operands(layer);
  if (given.some(({ dtype }) => dtype === 'uint8'))
    throw unsupported(layer, 'the sum of uint8 runs over beyond 255; cast it to float32 before');
  return anywhere(layer, given, (inputs) => {
    const sum = asFloat(layer, fold(layer, 'Add', inputs));
    return elementwise(layer, 'Mul', [sum, scalar(layer, 1 / inputs.length)]);
  });
};

/**
 * Keras `Concatenate` along one axis.
 * @see https://keras.io/api/layers/merging_layers/concatenate/
 */
export const concatenate: LayerConverter = (layer) => {
  const isFloat = layer.inputs.some((input) => input.dtype.startsWith('float'));
  const inputs = layer.inputs.map((input) => (isFloat ? asFloat(layer, input) : input));
  if (inputs.length === 0) throw unsupported(layer, 'it has no inputs');
  const rank = (inputs[0] as SymbolicTensor).shape.length;
  const axis = axisOf(numberOption(layer, 'axis', -1), rank);
  return anywhere(layer, inputs, (values) => {
    const moved = values.some((value, i) => value.name !== (inputs[i] as SymbolicTensor).name);
    const here = !moved || axis === 0 ? axis : axis === rank - 1 ? 1 : axis + 1;
    return concat(layer, values, here);
  });
};

/** x / max(|x|, 1e-6) along an axis: what Keras's Dot does for `normalize`. */
function normalized(layer: LayerContext, x: SymbolicTensor, axis: number): SymbolicTensor {
  const sum = reduce(layer, 'ReduceSum', elementwise(layer, 'Mul', [x, x]), [axis], true);
  const least = scalar(layer, 1e-12);
  const length =
    layer.dialect === 'keras-3'
      ? elementwise(layer, 'Max', [elementwise(layer, 'Sqrt', [sum]), least])
      : elementwise(layer, 'Sqrt', [elementwise(layer, 'Max', [sum, least])]);
  return elementwise(layer, 'Div', [x, length]);
}

/**
 * Keras `Dot`: sums over one axis of each input, the batch in common.
 * Inputs [N, ..., k, ...] of rank 2 or 3.
 * @see https://keras.io/api/layers/merging_layers/dot/
 */
export const dot: LayerConverter = (layer) => {
  let [a, b] = layer.inputs.map((input) => asFloat(layer, input)) as [SymbolicTensor, SymbolicTensor];
  if (layer.inputs.length !== 2 || Math.max(a.shape.length, b.shape.length) > 3) {
    throw unsupported(layer, 'it is converted for two inputs of rank 2 or 3');
  }
  const wanted = layer.config['axes'];
  const axes = (Array.isArray(wanted) ? wanted : [wanted, wanted]).map(Number) as [number, number];
  let [i, j] = [axisOf(axes[0], a.shape.length), axisOf(axes[1], b.shape.length)];
  if (layer.config['normalize'] === true) [a, b] = [normalized(layer, a, i), normalized(layer, b, j)];
  const squeezed: number[] = [];
  if (a.shape.length === 2) {
    a = unsqueeze(layer, a, [1]);
    i = 2;
    squeezed.push(1);
  }
  if (b.shape.length === 2) {
    b = unsqueeze(layer, b, [2]);
    j = 1;
    squeezed.push(2);
  }
  const left = i === 2 ? a : transpose(layer, a, [0, 2, 1]);
  const right = j === 1 ? b : transpose(layer, b, [0, 2, 1]);
  const y = matmul(layer, left, right);
  if (squeezed.length === 0) return y;
  // Two vectors give [N, 1], not [N].
  return squeeze(layer, y, squeezed.length === 2 ? [2] : squeezed);
};

/** `CustomScaleLayer` of keras.applications' InceptionResNetV2: the first input and a share of the second. */
export const scaledSum: LayerConverter = (layer) =>
  anywhere(layer, operands(layer), ([x, residual]) => {
    const share = scalar(layer, numberOption(layer, 'scale', 1));
    const scaled = elementwise(layer, 'Mul', [residual as SymbolicTensor, share]);
    return elementwise(layer, 'Add', [x as SymbolicTensor, scaled]);
  });
