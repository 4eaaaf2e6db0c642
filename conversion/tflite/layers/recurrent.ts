import type { Weight } from '../../keras/model.ts';
import type { Value } from '../ir.ts';
import { activationNamed } from './activations.ts';
import { binary } from './arithmetic.ts';
import { type LayerContext, type LayerConverter, unsupported } from './layer.ts';
import { transposedData } from './movement.ts';

/** Longer sequences would become files of several megabytes of operations. */
const maxSteps = 512;

/** One step of a cell: the projected input of this step and the states before it, undefined for zeros. */
type Step = (layer: LayerContext, x: Value, states: readonly (Value | undefined)[]) => Value[];

/** A cell: how its input is projected, and its step. The first state is also its output. */
interface Cell {
  readonly states: number;
  /** The bias that goes into the projection of the input. */
  inputBias(layer: LayerContext): Float32Array | undefined;
  readonly step: (layer: LayerContext) => Step;
}

function cellWeight(layer: LayerContext, name: string): Weight {
  const found = layer.weights.find((w) => w.name === `cell/${name}` || w.name === name);
  if (found === undefined) throw unsupported(layer, `it has no variable '${name}'`);
  return found;
}

/** x [..., n] times a Keras kernel [n, m]. */
function projection(
  layer: LayerContext,
  x: Value,
  kernel: { shape: readonly number[]; data: Float32Array },
  bias: Float32Array | undefined,
  name: string,
): Value {
  const [inputs = 0, outputs = 0] = kernel.shape;
  const data = transposedData(kernel.data, kernel.shape, [1, 0]);
  const weights = layer.graph.constant(`${layer.name}/${name}`, 'float32', [outputs, inputs], data);
  const constant = bias && layer.graph.constant(`${layer.name}/${name}_bias`, 'float32', [outputs], bias);
  return layer.graph.node(
    'FULLY_CONNECTED',
    [x, weights, constant],
    { name: `${layer.name}/${name}_product`, shape: [...x.shape.slice(0, -1), outputs] },
    { fusedActivationFunction: 0, keepNumDims: x.shape.length > 2 },
  );
}

/** A value's last axis in equal parts. */
function parts(layer: LayerContext, x: Value, count: number): Value[] {
  const axis = layer.graph.int32s(`${layer.name}/gates`, [x.shape.length - 1], []);
  const shape = [...x.shape.slice(0, -1), (x.shape.at(-1) as number) / count];
  const outputs = Array.from({ length: count }, (_, i) => ({
    name: `${layer.name}/gate${i}`,
    shape,
    dtype: x.dtype,
  }));
  return layer.graph.nodes('SPLIT', [axis, x], outputs, { numSplits: count });
}

/** Columns [from, to) of a kernel [n, m]. */
function columns({ shape, data }: Weight, from: number, to: number) {
  const [rows = 0, width = 0] = shape;
  const size = to - from;
  const part = Float32Array.from({ length: rows * size }, (_, i) => {
    return data[Math.floor(i / size) * width + from + (i % size)] as number;
  });
  return { shape: [rows, size], data: part };
}

const wholeBias = (layer: LayerContext) =>
  layer.config['use_bias'] === false ? undefined : cellWeight(layer, 'bias').data;

const functions = (layer: LayerContext) => ({
  activation: (x: Value) => activationNamed(layer, 'activation')(layer, x),
  gate: (x: Value) => activationNamed(layer, 'recurrent_activation')(layer, x),
});

/** z = xW + hR + b in the order input, forget, cell, output. */
const lstm: Cell = {
  states: 2,
  inputBias: wholeBias,
  step(layer) {
    const { activation, gate } = functions(layer);
    const recurrent = cellWeight(layer, 'recurrent_kernel');
    return (_layer, x, [h, c]) => {
      const sum =
        h === undefined
          ? x
          : binary(layer, 'ADD', x, projection(layer, h, recurrent, undefined, 'recurrent'));
      const [input, forget, candidate, output] = parts(layer, sum, 4) as [Value, Value, Value, Value];
      const fresh = binary(layer, 'MUL', gate(input), activation(candidate));
      const cell =
        c === undefined ? fresh : binary(layer, 'ADD', binary(layer, 'MUL', gate(forget), c), fresh);
      return [binary(layer, 'MUL', gate(output), activation(cell)), cell];
    };
  },
};

/** Update, reset and candidate; with `reset_after` the reset gate acts on the product, which then has a bias of its own. */
const gru: Cell = {
  states: 1,
  inputBias(layer) {
    const bias = wholeBias(layer);
    return layer.config['reset_after'] === false || bias === undefined
      ? bias
      : bias.slice(0, bias.length / 2);
  },
  step(layer) {
    const { activation, gate } = functions(layer);
    const recurrent = cellWeight(layer, 'recurrent_kernel');
    const units = recurrent.shape[0] as number;
    const isAfter = layer.config['reset_after'] !== false;
    const bias = isAfter ? wholeBias(layer)?.slice(3 * units) : undefined;
    const mixed = (update: Value, h: Value | undefined, candidate: Value) => {
      const fresh = binary(layer, 'MUL', binary(layer, 'SUB', 1, update), candidate);
      return h === undefined ? fresh : binary(layer, 'ADD', binary(layer, 'MUL', update, h), fresh);
    };
    const after: Step = (_layer, x, [h]) => {
      const [xz, xr, xc] = parts(layer, x, 3) as [Value, Value, Value];
      if (h === undefined) {
        // h is zero: what is left of its product is the bias.
        const part = (i: number, value: Value) => {
          if (bias === undefined) return value;
          const data = bias.slice(i * units, (i + 1) * units);
          return layer.graph.constant(`${layer.name}/first_bias`, 'float32', [units], data);
        };
        const plus = (i: number, value: Value) =>
          bias === undefined ? value : binary(layer, 'ADD', value, part(i, value));
        const reset = gate(plus(1, xr));
        const candidate =
          bias === undefined ? xc : binary(layer, 'ADD', xc, binary(layer, 'MUL', reset, part(2, xc)));
        return [mixed(gate(plus(0, xz)), undefined, activation(candidate))];
      }
      const [hz, hr, hc] = parts(layer, projection(layer, h, recurrent, bias, 'recurrent'), 3) as [
        Value,
        Value,
        Value,
      ];
      const reset = gate(binary(layer, 'ADD', xr, hr));
      const candidate = activation(binary(layer, 'ADD', xc, binary(layer, 'MUL', reset, hc)));
      return [mixed(gate(binary(layer, 'ADD', xz, hz)), h, candidate)];
    };
    const before: Step = (_layer, x, [h]) => {
      const [xz, xr, xc] = parts(layer, x, 3) as [Value, Value, Value];
      if (h === undefined) return [mixed(gate(xz), undefined, activation(xc))];
      const gates = projection(layer, h, columns(recurrent, 0, 2 * units), undefined, 'recurrent');
      const [hz, hr] = parts(layer, gates, 2) as [Value, Value];
      const reset = binary(layer, 'MUL', gate(binary(layer, 'ADD', xr, hr)), h);
      const hc = projection(layer, reset, columns(recurrent, 2 * units, 3 * units), undefined, 'candidate');
      return [mixed(gate(binary(layer, 'ADD', xz, hz)), h, activation(binary(layer, 'ADD', xc, hc)))];
    };
    return isAfter ? after : before;
  },
};

const simpleRnn: Cell = {
  states: 1,
  inputBias: wholeBias,
  step(layer) {
    const activation = activationNamed(layer, 'activation');
    const recurrent = cellWeight(layer, 'recurrent_kernel');
    return (_layer, x, [h]) => {
      if (h === undefined) return [activation(layer, x)];
      return [
        activation(layer, binary(layer, 'ADD', x, projection(layer, h, recurrent, undefined, 'recurrent'))),
      ];
    };
  },
};

/** Values side by side as [N, T, C]. */
export function stacked(layer: LayerContext, values: readonly Value[]): Value {
  const [batch = -1, channels = -1] = (values[0] as Value).shape;
  return layer.graph.node(
    'PACK',
    values,
    { name: `${layer.name}/sequence`, shape: [batch, values.length, channels] },
    { axis: 1, valuesCount: values.length },
  );
}

/**
 * A recurrent layer, step by step: TFLite's own sequence operators hold a batch of a fixed size, this one holds any. The input of all
 * steps is projected at once.
 */
const recurrent =
  (cell: Cell): LayerConverter =>
  (layer) => {
    const [x, ...initial] = layer.inputs as [Value, ...Value[]];
    const [batch = -1, steps = -1] = x.shape;
    if (x.shape.length !== 3) throw unsupported(layer, `an input of the shape [${x.shape}]`);
    if (steps < 1 || steps > maxSteps) {
      throw unsupported(
        layer,
        `a sequence of ${steps < 0 ? 'open length' : `${steps} steps`}; it holds 1 to ${maxSteps}`,
      );
    }
    for (const option of ['stateful', 'time_major']) {
      if (layer.config[option] === true) throw unsupported(layer, option);
    }
    if (initial.length !== 0 && initial.length !== cell.states)
      throw unsupported(layer, 'constants of a cell');
    const projected = projection(layer, x, cellWeight(layer, 'kernel'), cell.inputBias(layer), 'input');
    const shape = [batch, projected.shape[2] as number];
    const rows = Array.from({ length: steps }, (_, t) => ({ name: `${layer.name}/step${t}`, shape }));
    const inputs = layer.graph.nodes('UNPACK', [projected], rows, { axis: 1, num: steps });
    const inTime = layer.config['go_backwards'] === true ? inputs.toReversed() : inputs;
    const step = cell.step(layer);
    let states: (Value | undefined)[] =
      initial.length === 0 ? Array.from({ length: cell.states }, () => undefined) : initial;
    const outputs = inTime.map((input) => {
      states = step(layer, input, states);
      return states[0] as Value;
    });
    const y = layer.config['return_sequences'] === true ? stacked(layer, outputs) : (outputs.at(-1) as Value);
    return layer.config['return_state'] === true ? [y, ...(states as Value[])] : y;
  };

/** Keras's recurrent layers. */
export const recurrentLayers = {
  GRU: recurrent(gru),
  LSTM: recurrent(lstm),
  SimpleRNN: recurrent(simpleRnn),
} as const satisfies Record<string, LayerConverter>;
