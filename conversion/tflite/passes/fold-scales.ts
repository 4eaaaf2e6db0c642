import { countOf, type Graph, type Operation, type Value } from '../ir.ts';
import { consumersOf, onlyConsumer } from './consumers.ts';

/** Operations with weights and a bias per output channel, and the axis of their weights that is the channel. */
const channelAxis: Readonly<Record<string, number>> = {
  CONV_2D: 0,
  DEPTHWISE_CONV_2D: 3,
  FULLY_CONNECTED: 0,
};

const asFloats = (value: Value | undefined) =>
  value?.data instanceof Float32Array && value.dtype === 'float32' ? value.data : undefined;

/** A constant operand as one number per channel; undefined where it is not that. */
function perChannel(operation: Operation, input: Value, channels: number): Float64Array | undefined {
  const [a, b] = operation.inputs;
  const other = a === input ? b : a;
  const data = asFloats(other);
  if (data === undefined || other === undefined || (b === input && operation.operator === 'SUB'))
    return undefined;
  if (data.length !== 1 && !(data.length === channels && other.shape.at(-1) === channels)) return undefined;
  const sign = operation.operator === 'SUB' ? -1 : 1;
  return Float64Array.from(
    { length: channels },
    (_, c) => sign * (data[data.length === 1 ? 0 : c] as number),
  );
}

/** Weights times a number per channel. */
function scaled(weights: Value, axis: number, factors: Float64Array): Value {
  const data = weights.data as Float32Array;
  const inner = countOf(weights.shape.slice(axis + 1));
  const channels = weights.shape[axis] as number;
  const result = Float32Array.from(
    data,
    (value, i) => value * (factors[Math.floor(i / inner) % channels] as number),
  );
  return { ...weights, data: result };
}

/**
 * `y = x * s + t` after a convolution or a Dense goes into its weights and bias, as batch normalization is after training.
 * Weights that others use as well are copied, so nothing else changes.
 */
export function foldScales(graph: Graph): Graph {
  const consumers = consumersOf(graph);
  const gone = new Set<Operation>();
  const operations = graph.operations.map((host) => {
    const axis = channelAxis[host.operator];
    const weights = host.inputs[1];
    if (axis === undefined || weights === undefined || asFloats(weights) === undefined) return host;
    if ((host.options['fusedActivationFunction'] ?? 0) !== 0) return host;
    const channels = weights.shape[axis] as number;
    let current = host;
    for (;;) {
      const output = current.outputs[0] as Value;
      const next = onlyConsumer(consumers, output);
      if (next === undefined || !['MUL', 'ADD', 'SUB'].includes(next.operator)) return current;
      if ((next.options['fusedActivationFunction'] ?? 0) !== 0) return current;
      const numbers = perChannel(next, output, channels);
      const sameShape = next.outputs[0]?.shape.length === output.shape.length;
      if (numbers === undefined || !sameShape) return current;
      const [x, filter, bias] = current.inputs;
      const known = asFloats(bias) ?? new Float32Array(channels);
      const isScale = next.operator === 'MUL';
      const data = known.map((value, c) =>
        isScale ? value * (numbers[c] as number) : value + (numbers[c] as number),
      );
      const zero = bias === undefined && isScale;
      const newBias: Value = {
        name: bias?.name ?? `${output.name}/bias`,
        dtype: 'float32',
        shape: [channels],
        data,
      };
      gone.add(next);
      current = {
        ...current,
        inputs: [x, isScale ? scaled(filter as Value, axis, numbers) : filter, zero ? undefined : newBias],
        outputs: next.outputs,
      };
    }
  });
  return { ...graph, operations: operations.filter((operation) => !gone.has(operation)) };
}
