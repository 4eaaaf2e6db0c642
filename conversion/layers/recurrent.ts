import { type LayerConfig, variableOf, weightsUnder } from '../keras/model.ts';
import { GraphBuilder, type SymbolicTensor } from '../onnx/index.ts';
import { activationName } from './activations.ts';
import { asFloat, type LayerContext, type LayerConverter, permuted, unsupported, weight } from './layer.ts';
import { cellOf } from './recurrent-cells.ts';
import {
  beforeStart,
  cast,
  dimOf,
  elementwise,
  joined,
  scalar,
  slice,
  squeeze,
  transpose,
  unsqueeze,
} from './shapes.ts';

/** What a recurrent layer computed: outputs [N, T, units] in the order of processing, and the last states. */
interface Run {
  readonly sequence: SymbolicTensor;
  readonly last: SymbolicTensor;
  readonly states: readonly SymbolicTensor[];
}

/** Keras's order of gates as ONNX's, by position. */
const fused = {
  GRU: { op: 'GRU', gates: [0, 1, 2], states: 1, activations: ['recurrent_activation', 'activation'] },
  LSTM: {
    op: 'LSTM',
    gates: [0, 3, 1, 2],
    states: 2,
    activations: ['recurrent_activation', 'activation', 'activation'],
  },
  SimpleRNN: { op: 'RNN', gates: [0], states: 1, activations: ['activation'] },
} as const;

/** Keras's activations as ONNX's recurrent operators name them, with alpha and beta where they take some. */
const fusedActivations: Record<string, { name: string; alpha?: number; beta?: number }> = {
  elu: { name: 'Elu', alpha: 1 },
  relu: { name: 'Relu' },
  sigmoid: { name: 'Sigmoid' },
  softplus: { name: 'Softplus' },
  softsign: { name: 'Softsign' },
  tanh: { name: 'Tanh' },
};

/** float32 zeros [N, units]. */
function zeros(layer: LayerContext, x: SymbolicTensor, units: number): SymbolicTensor {
  const zero = layer.graph.constant(`${layer.name}/zero`, 'float32', [1], Float32Array.of(0));
  const shape = joined(layer, [dimOf(layer, x, 0), units]);
  return layer.graph.node('Expand', [zero, shape], {
    name: `${layer.name}/initial`,
    shape: [x.shape[0] as number, units],
  });
}

/** The rows of a kernel [in, gates * units] as [1, gates * units, in] with the gates in ONNX's order. */
function gateRows(
  layer: LayerContext,
  name: string,
  gates: readonly number[],
  units: number,
): SymbolicTensor {
  const kernel = weight(layer, name);
  return layer.graph.once(variableOf(kernel), `gates ${gates}`, () => {
    const width = kernel.shape[0] as number;
    const rows = permuted(kernel, [1, 0]);
    const data = new Float32Array(rows.length);
    gates.forEach((from, to) => {
      data.set(rows.subarray(from * units * width, (from + 1) * units * width), to * units * width);
    });
    return layer.graph.constant(`${layer.name}/${name}`, 'float32', [1, gates.length * units, width], data);
  });
}

/** Keras's bias [g] or [2, g] as ONNX's [1, 2g]: input part, then recurrent part. */
function gateBias(layer: LayerContext, gates: readonly number[], units: number): SymbolicTensor {
  const bias = weight(layer, 'cell/bias');
  return layer.graph.once(variableOf(bias), `gates ${gates}`, () => {
    const width = gates.length * units;
    const data = new Float32Array(2 * width);
    const { data: biases } = bias;
    for (let part = 0; part < biases.length / width; part++) {
      gates.forEach((from, to) => {
        const start = part * width + from * units;
        data.set(biases.subarray(start, start + units), part * width + to * units);
      });
    }
    return layer.graph.constant(`${layer.name}/bias`, 'float32', [1, 2 * width], data);
  });
}

/** One of ONNX's own recurrent operators; undefined where the layer has an activation that they do not know. */
function runFused(
  layer: LayerContext,
  kind: keyof typeof fused,
  x: SymbolicTensor,
  initial: readonly SymbolicTensor[],
  backwards: boolean,
): Run | undefined {
  const { op, gates, activations } = fused[kind];
  const named = activations.map((key) => fusedActivations[activationName(layer.config[key]) ?? '']);
  if (named.some((activation) => activation === undefined)) return undefined;
  const units = Number(layer.config['units']);
  const operands = [
    transpose(layer, x, [1, 0, 2]),
    gateRows(layer, 'cell/kernel', gates, units),
    gateRows(layer, 'cell/recurrent_kernel', gates, units),
    layer.config['use_bias'] === false ? ('' as const) : gateBias(layer, gates, units),
    '' as const,
    ...initial.map((state) => unsqueeze(layer, state, [0])),
  ];
  const [batch, steps] = x.shape as [number, number];
  const names = layer.graph.nodes(
    op,
    operands,
    ['outputs', 'hidden', ...(kind === 'LSTM' ? ['cell'] : [])].map((name) => `${layer.name}/${name}`),
    {
      hidden_size: BigInt(units),
      ...(backwards ? { direction: 'reverse' } : {}),
      ...(kind === 'GRU' ? { linear_before_reset: layer.config['reset_after'] === false ? 0n : 1n } : {}),
      ...attributesOf(named as { name: string; alpha?: number; beta?: number }[]),
    },
  );
  const whole = { name: names[0] as string, dtype: 'float32' as const, shape: [steps, 1, batch, units] };
  const states = names
    .slice(1)
    .map((name) => squeeze(layer, { name, dtype: 'float32', shape: [1, batch, units] }, [0]));
  let sequence = transpose(layer, squeeze(layer, whole, [1]), [1, 0, 2]);
  // ONNX gives the outputs in the order of the input, Keras in the order of processing.
  if (backwards) sequence = slice(layer, sequence, [{ axis: 1, start: -1, end: beforeStart, step: -1 }]);
  return { sequence, last: states[0] as SymbolicTensor, states };
}

function attributesOf(activations: readonly { name: string; alpha?: number; beta?: number }[]) {
  const alphas = activations.flatMap(({ alpha }) => (alpha === undefined ? [] : [alpha]));
  const names = activations.map(({ name }) => name);
  const isDefault =
    names.every((name) => name === 'Sigmoid' || name === 'Tanh') &&
    names.at(-1) === 'Tanh' &&
    (names.length === 1 || names[0] === 'Sigmoid');
  if (isDefault) return {};
  return { activations: names, ...(alphas.length > 0 ? { activation_alpha: alphas } : {}) };
}

/** Any cell, step by step, by ONNX's Scan: masks, stacked cells, any activation. */
function runScan(
  layer: LayerContext,
  inside: LayerConfig,
  x: SymbolicTensor,
  initial: readonly SymbolicTensor[],
  backwards: boolean,
): Run {
  const { mask } = x;
  const graph = new GraphBuilder(layer.graph);
  const body: LayerContext = { ...layer, graph, name: `${layer.name}/step` };
  const cell = cellOf(inside, body, weightsUnder(layer.weights, 'cell'), layer);
  const units = cell.states.length === 0 ? 0 : outputSize(inside);
  const batch = x.shape[0] as number;
  const given = initial.length > 0 ? initial : cell.states.map((size) => zeros(layer, x, size));
  if (given.length !== cell.states.length)
    throw unsupported(layer, `${given.length} initial states for ${cell.states.length}`);
  const states = cell.states.map((size, i) =>
    graph.input(`${body.name}/state${i}`, 'float32', [batch, size]),
  );
  const carriesOutput = mask !== undefined;
  const previous = carriesOutput
    ? graph.input(`${body.name}/previous`, 'float32', [batch, units])
    : undefined;
  const step = graph.input(`${body.name}/x`, 'float32', [batch, ...x.shape.slice(2)]);
  const present = mask === undefined ? undefined : graph.input(`${body.name}/present`, 'bool', [batch]);
  let { output, states: next } = cell.step(step, states);
  if (present !== undefined) {
    const kept = unsqueeze(body, present, [1]);
    const choose = (now: SymbolicTensor, before: SymbolicTensor) =>
      elementwise(body, 'Where', [kept, now, before], 'float32');
    const zeroes = layer.config['zero_output_for_mask'] === true;
    output = choose(output, zeroes ? scalar(body, 0) : (previous as SymbolicTensor));
    next = next.map((state, i) => choose(state, states[i] as SymbolicTensor));
  }
  const bodyOutputs = [...next, ...(carriesOutput ? [output] : []), output];
  for (const [i, value] of bodyOutputs.entries()) graph.output(`${body.name}/out${i}`, value);
  const scans = present === undefined ? [x] : [x, mask as SymbolicTensor];
  const carried = [...given, ...(carriesOutput ? [zeros(layer, x, units)] : [])];
  const names = layer.graph.nodes(
    'Scan',
    [...carried, ...scans],
    bodyOutputs.map((_, i) => `${layer.name}/scan${i}`),
    {
      body: graph.body(`${layer.name}/step`),
      num_scan_inputs: BigInt(scans.length),
      scan_input_axes: scans.map(() => 1n),
      scan_input_directions: scans.map(() => (backwards ? 1n : 0n)),
      scan_output_axes: [1n],
    },
  );
  const at = (i: number, shape: readonly number[]): SymbolicTensor => ({
    name: names[i] as string,
    dtype: 'float32',
    shape,
  });
  const last = cell.states.map((size, i) => at(i, [batch, size]));
  const sequence = at(names.length - 1, [batch, x.shape[1] as number, units]);
  const lastOutput = carriesOutput ? at(cell.states.length, [batch, units]) : undefined;
  return { sequence, last: lastOutput ?? lastOf(layer, sequence), states: last };
}

function outputSize(inside: LayerConfig): number {
  const cells = inside.config['cells'] as LayerConfig[] | undefined;
  const top = cells === undefined ? inside : (cells.at(-1) as LayerConfig);
  return Number(top.config['units']);
}

const lastOf = (layer: LayerContext, sequence: SymbolicTensor) =>
  squeeze(layer, slice(layer, sequence, [{ axis: 1, start: -1, end: Number.MAX_SAFE_INTEGER }]), [1]);

const tensors = (value: unknown): SymbolicTensor[] =>
  (Array.isArray(value) ? value : [value]).filter(
    (item) => item !== null && typeof item === 'object' && 'dtype' in item,
  ) as SymbolicTensor[];

/**
 * What a recurrent layer is given: the initial states, the mask that its steps see, and the mask that its output has. With states given,
 * Keras 3 finds no argument to hand the input's own mask on by (Layer.__call__): every step counts, and the output has the mask.
 */
export function argumentsOf({ dialect, inputs, kwargs }: LayerContext) {
  const [x, ...more] = inputs as [SymbolicTensor, ...SymbolicTensor[]];
  const states = [...more, ...tensors(kwargs['initial_state'])];
  const explicit = (kwargs['mask'] ?? undefined) as SymbolicTensor | undefined;
  const isSeen = dialect !== 'keras-3' || states.length === 0;
  return { x, states, seen: explicit ?? (isSeen ? x.mask : undefined), carried: explicit ?? x.mask };
}

/**
 * Keras `LSTM`, `GRU`, `SimpleRNN` and `RNN` around a cell. ONNX's own operators where they compute the same; Scan where there is a
 * mask or another activation.
 * Input [N, T, features] and the initial states; output [N, units], or [N, T, units] with `return_sequences`, and with `return_state`
 * the last states.
 * @see https://keras.io/api/layers/recurrent_layers/lstm/
 */
export const recurrent: LayerConverter = (layer) => {
  const { x: first, states, seen, carried } = argumentsOf(layer);
  const source = asFloat(layer, first);
  const x: SymbolicTensor = {
    name: source.name,
    dtype: source.dtype,
    shape: source.shape,
    ...(seen === undefined ? {} : { mask: cast(layer, seen, 'bool') }),
  };
  const initial = states.map((state) => asFloat(layer, state));
  for (const option of ['stateful', 'time_major'])
    if (layer.config[option] === true) throw unsupported(layer, option);
  if (x.shape.length !== 3) throw unsupported(layer, `an input of rank ${x.shape.length}`);
  const backwards = layer.config['go_backwards'] === true;
  const kind = layer.className as keyof typeof fused;
  const inside: LayerConfig =
    layer.className === 'RNN'
      ? (layer.config['cell'] as LayerConfig)
      : { class_name: `${layer.className}Cell`, config: layer.config };
  const run =
    (Object.hasOwn(fused, kind) && x.mask === undefined
      ? runFused(layer, kind, x, initial, backwards)
      : undefined) ?? runScan(layer, inside, x, initial, backwards);
  const sequences = layer.config['return_sequences'] === true;
  const y = sequences
    ? { ...run.sequence, ...(carried ? { mask: cast(layer, carried, 'bool') } : {}) }
    : run.last;
  return layer.config['return_state'] === true ? [y, ...run.states] : y;
};
