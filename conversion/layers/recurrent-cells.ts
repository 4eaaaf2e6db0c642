import type { LayerConfig, Weight } from '../keras/model.ts';
import { weightsUnder } from '../keras/model.ts';
import type { SymbolicTensor } from '../onnx/index.ts';
import { activationName, applyNamed } from './activations.ts';
import { type LayerContext, numberOption, unsupported, weightConstant } from './layer.ts';
import { elementwise, matmul, scalar, slice } from './shapes.ts';

/** One step of a recurrent layer. `layer.graph` is the body of a Scan, `layer.weights` the cell's own. */
export interface Cell {
  /** Size of each state, in Keras's order. */
  readonly states: readonly number[];
  step(
    x: SymbolicTensor,
    states: readonly SymbolicTensor[],
  ): { output: SymbolicTensor; states: SymbolicTensor[] };
}

/** Constants belong to the graph around the body, where they are written once. */
type Constants = LayerContext;

function activated(layer: LayerContext, x: SymbolicTensor, key: string): SymbolicTensor {
  const name = activationName(layer.config[key]);
  if (name === undefined) throw unsupported(layer, `${key} ${JSON.stringify(layer.config[key])}`);
  return applyNamed(layer, name, x);
}

/** Columns `[n * units, (n + 1) * units)`. */
const part = (layer: LayerContext, x: SymbolicTensor, units: number, n: number) =>
  slice(layer, x, [{ axis: 1, start: n * units, end: (n + 1) * units }]);

const add = (layer: LayerContext, a: SymbolicTensor, b: SymbolicTensor) => elementwise(layer, 'Add', [a, b]);
const multiply = (layer: LayerContext, a: SymbolicTensor, b: SymbolicTensor) =>
  elementwise(layer, 'Mul', [a, b]);
const hasBias = (layer: LayerContext) => layer.config['use_bias'] !== false;

function simple(layer: LayerContext, constants: Constants): Cell {
  const units = numberOption(layer, 'units', 0);
  return {
    states: [units],
    step(x, [h]) {
      let sum = add(
        layer,
        matmul(layer, x, weightConstant(constants, 'kernel')),
        matmul(layer, h as SymbolicTensor, weightConstant(constants, 'recurrent_kernel')),
      );
      if (hasBias(layer)) sum = add(layer, sum, weightConstant(constants, 'bias'));
      const output = activated(layer, sum, 'activation');
      return { output, states: [output] };
    },
  };
}

/** Gates in Keras's order: input, forget, cell, output. */
function lstm(layer: LayerContext, constants: Constants): Cell {
  const units = numberOption(layer, 'units', 0);
  return {
    states: [units, units],
    step(x, [h, c]) {
      let sum = add(
        layer,
        matmul(layer, x, weightConstant(constants, 'kernel')),
        matmul(layer, h as SymbolicTensor, weightConstant(constants, 'recurrent_kernel')),
      );
      if (hasBias(layer)) sum = add(layer, sum, weightConstant(constants, 'bias'));
      const gate = (n: number) => activated(layer, part(layer, sum, units, n), 'recurrent_activation');
      const candidate = activated(layer, part(layer, sum, units, 2), 'activation');
      const cell = add(
        layer,
        multiply(layer, gate(1), c as SymbolicTensor),
        multiply(layer, gate(0), candidate),
      );
      const output = multiply(layer, gate(3), activated(layer, cell, 'activation'));
      return { output, states: [output, cell] };
    },
  };
}

/** Gates in Keras's order: update, reset, candidate. */
function gru(layer: LayerContext, constants: Constants): Cell {
  const units = numberOption(layer, 'units', 0);
  const resetAfter = layer.config['reset_after'] !== false;
  const biases = (row: number) => {
    const bias = weightConstant(constants, 'bias');
    return bias.shape.length === 1 ? bias : elementwise(layer, 'Gather', [bias, scalar(layer, row, 'int64')]);
  };
  return {
    states: [units],
    step(x, [state]) {
      const h = state as SymbolicTensor;
      let wide = matmul(layer, x, weightConstant(constants, 'kernel'));
      if (hasBias(layer)) wide = add(layer, wide, { ...biases(0), shape: [3 * units] });
      const recurrent = weightConstant(constants, 'recurrent_kernel');
      const gate = (sum: SymbolicTensor) => activated(layer, sum, 'recurrent_activation');
      let update: SymbolicTensor;
      let candidate: SymbolicTensor;
      if (resetAfter) {
        let inner = matmul(layer, h, recurrent);
        if (hasBias(layer)) inner = add(layer, inner, { ...biases(1), shape: [3 * units] });
        update = gate(add(layer, part(layer, wide, units, 0), part(layer, inner, units, 0)));
        const reset = gate(add(layer, part(layer, wide, units, 1), part(layer, inner, units, 1)));
        const seen = multiply(layer, reset, part(layer, inner, units, 2));
        candidate = activated(layer, add(layer, part(layer, wide, units, 2), seen), 'activation');
      } else {
        const columns = (n: number) => part(layer, recurrent, units, n);
        update = gate(add(layer, part(layer, wide, units, 0), matmul(layer, h, columns(0))));
        const reset = gate(add(layer, part(layer, wide, units, 1), matmul(layer, h, columns(1))));
        const seen = matmul(layer, multiply(layer, reset, h), columns(2));
        candidate = activated(layer, add(layer, part(layer, wide, units, 2), seen), 'activation');
      }
      const kept = multiply(layer, update, h);
      const rest = elementwise(layer, 'Sub', [scalar(layer, 1), update]);
      const output = add(layer, kept, multiply(layer, rest, candidate));
      return { output, states: [output] };
    },
  };
}

/** Cells one above the other; the states in the order of the cells. */
function stacked(layer: LayerContext, constants: Constants): Cell {
  const cells = (layer.config['cells'] as LayerConfig[]).map((inside, i) =>
    cellOf(inside, layer, weightsUnder(constants.weights, `cells/${i}`), constants),
  );
  return {
    states: cells.flatMap((cell) => cell.states),
    step(x, states) {
      const next: SymbolicTensor[] = [];
      let output = x;
      let at = 0;
      for (const cell of cells) {
        const result = cell.step(output, states.slice(at, at + cell.states.length));
        at += cell.states.length;
        output = result.output;
        next.push(...result.states);
      }
      return { output, states: next };
    },
  };
}

const cells: Record<string, (layer: LayerContext, constants: Constants) => Cell> = {
  GRUCell: gru,
  LSTMCell: lstm,
  SimpleRNNCell: simple,
  StackedRNNCells: stacked,
};

/** The cell of a recurrent layer. @throws ConversionError where its class is not known */
export function cellOf(
  inside: LayerConfig,
  layer: LayerContext,
  weights: readonly Weight[],
  outer: LayerContext,
): Cell {
  const make = Object.hasOwn(cells, inside.class_name) ? cells[inside.class_name] : undefined;
  if (make === undefined) throw unsupported(layer, `there is no converter for the cell ${inside.class_name}`);
  const body = { ...layer, config: inside.config, weights };
  return make(body, { ...outer, config: inside.config, weights });
}
