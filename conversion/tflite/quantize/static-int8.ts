import type { Graph, Operation, Program, Quantization, Value } from '../ir.ts';
import { consumersOf } from '../passes/consumers.ts';
import { int8Steps, type Range, union } from './ranges.ts';
import { floatConstant, int8PerChannel, weightSlots } from './weights.ts';

/** Operations that keep the steps of what they move: TFLite's kernels demand it. Concatenated values share theirs as well. */
const sameSteps = new Set([
  'AVERAGE_POOL_2D',
  'CONCATENATION',
  'EXPAND_DIMS',
  'GATHER',
  'MAXIMUM',
  'MAX_POOL_2D',
  'MINIMUM',
  'PAD',
  'REDUCE_MAX',
  'RESHAPE',
  'RESIZE_BILINEAR',
  'RESIZE_NEAREST_NEIGHBOR',
  'SLICE',
  'SQUEEZE',
  'STRIDED_SLICE',
  'TILE',
  'TRANSPOSE',
]);

/** Results whose steps TFLite's kernels fix. */
const fixedSteps: Readonly<Record<string, Quantization>> = {
  LOGISTIC: { scale: [1 / 256], zeroPoint: [-128], dimension: 0 },
  LOG_SOFTMAX: { scale: [16 / 256], zeroPoint: [127], dimension: 0 },
  SOFTMAX: { scale: [1 / 256], zeroPoint: [-128], dimension: 0 },
  TANH: { scale: [1 / 128], zeroPoint: [0], dimension: 0 },
};

/** Arithmetic stays float beside what int8 is too coarse for, such as the roots of a layer normalization. */
const arithmetic = new Set(['ADD', 'MEAN', 'MUL', 'SUB']);

const direct = new Set(['HARD_SWISH', 'LEAKY_RELU', 'PRELU', 'RELU', 'RELU6', ...Object.keys(weightSlots)]);

const canBeInt8 = (operator: string) =>
  direct.has(operator) || arithmetic.has(operator) || sameSteps.has(operator) || operator in fixedSteps;

/** The operations that run on int8. */
function chosen(graph: Graph): Set<Operation> {
  const consumers = consumersOf(graph);
  const producers = new Map(
    graph.operations.flatMap((op) => op.outputs.map((output) => [output, op] as const)),
  );
  const isFine = (other: Operation | 'output' | undefined) =>
    other === undefined || other === 'output' || canBeInt8(other.operator);
  return new Set(
    graph.operations.filter((operation) => {
      const values = [...operation.inputs, ...operation.outputs];
      if (!canBeInt8(operation.operator)) return false;
      if (!values.some((value) => value?.dtype === 'float32' && value.data === undefined)) return false;
      const slot = weightSlots[operation.operator];
      if (slot !== undefined && floatConstant(operation.inputs[slot.input]) === undefined) return false;
      if (!arithmetic.has(operation.operator)) return true;
      const beside = [
        ...operation.inputs.map((input) => input && producers.get(input)),
        ...operation.outputs.flatMap((output) => consumers.get(output) ?? []),
      ];
      return beside.every(isFine);
    }),
  );
}

/** Values that must share their steps. */
class Groups {
  readonly #parent = new Map<Value, Value>();

  rootOf(value: Value): Value {
    let root = value;
    for (let up = this.#parent.get(root); up !== undefined; up = this.#parent.get(root)) root = up;
    return root;
  }

  join(a: Value, b: Value): void {
    const [left, right] = [this.rootOf(a), this.rootOf(b)];
    if (left !== right) this.#parent.set(left, right);
  }
}

const isFloatValue = (value: Value | undefined): value is Value => value?.dtype === 'float32';

/** The range of a constant, or the one that calibration saw. */
function rangeOf(value: Value, ranges: ReadonlyMap<string, Range>): Range {
  const data = floatConstant(value)?.data;
  const seen = ranges.get(value.name);
  if (data === undefined) return seen ?? { low: -1, high: 1 };
  return data.reduce<Range>((range, v) => union(range, { low: v, high: v }), { low: 0, high: 0 });
}

function stepsOf(
  graph: Graph,
  quantized: ReadonlySet<Operation>,
  ranges: ReadonlyMap<string, Range>,
): (value: Value) => Quantization {
  const groups = new Groups();
  const fixed = new Map<Value, Quantization>();
  const values = new Set<Value>();
  for (const operation of graph.operations) {
    if (!quantized.has(operation)) continue;
    const result = operation.outputs[0] as Value;
    const slot = weightSlots[operation.operator];
    const operands = operation.inputs.filter(isFloatValue).filter((_, i) => slot === undefined || i === 0);
    for (const value of [...operands, result]) values.add(value);
    const steps = fixedSteps[operation.operator];
    if (steps !== undefined) fixed.set(result, steps);
    if (!sameSteps.has(operation.operator)) continue;
    // What comes in fixed steps is brought into the others' steps instead: its own may not reach as far.
    for (const value of operands) if (!fixed.has(value)) groups.join(value, result);
  }
  const grouped = new Map<Value, Range>();
  for (const value of values) {
    if (fixed.has(value)) continue;
    const root = groups.rootOf(value);
    const range = rangeOf(value, ranges);
    grouped.set(root, grouped.has(root) ? union(grouped.get(root) as Range, range) : range);
  }
  return (value) => {
    const range = grouped.get(groups.rootOf(value)) ?? rangeOf(value, ranges);
    return fixed.get(value) ?? int8Steps(range);
  };
}

/** Rewrites one graph; values at the border of int8 get a QUANTIZE or a DEQUANTIZE. */
class Rewriter {
  readonly #steps: (value: Value) => Quantization;
  readonly #int8 = new Map<Value, Value>();
  readonly #float = new Map<Value, Value>();
  readonly operations: Operation[] = [];

  constructor(steps: (value: Value) => Quantization) {
    this.#steps = steps;
  }

  #asInt8(value: Value): Value {
    const { data: _, ...rest } = value;
    return { ...rest, name: `${value.name}/int8`, dtype: 'int8', quantization: this.#steps(value) };
  }

  /** The int8 form of a value that some operation reads. */
  #narrow(value: Value): Value {
    const known = this.#int8.get(value);
    if (known !== undefined) return known;
    let narrow = this.#asInt8(value);
    const constant = floatConstant(value);
    if (constant === undefined) {
      this.operations.push({ operator: 'QUANTIZE', inputs: [value], outputs: [narrow], options: {} });
    } else {
      const { scale, zeroPoint } = narrow.quantization as Quantization;
      const [step, zero] = [scale[0] as number, zeroPoint[0] as number];
      const data = Int8Array.from(constant.data, (v) =>
        Math.min(Math.max(Math.round(v / step) + zero, -128), 127),
      );
      narrow = { ...narrow, data };
    }
    this.#int8.set(value, narrow);
    return narrow;
  }

  /** The float form of a value, for operations that stay float and for the outputs of the graph. */
  widen(value: Value): Value {
    const narrow = this.#int8.get(value);
    if (narrow === undefined || value.data !== undefined || this.#float.has(value)) return value;
    this.#float.set(value, value);
    this.operations.push({ operator: 'DEQUANTIZE', inputs: [narrow], outputs: [value], options: {} });
    return value;
  }

  keep(operation: Operation): void {
    const inputs = operation.inputs.map((input) => (input === undefined ? input : this.widen(input)));
    this.operations.push({ ...operation, inputs });
    for (const output of operation.outputs) this.#float.set(output, output);
  }

  /** An int8 value in other steps. */
  #requantized(value: Value, narrow: Value, steps: Quantization): Value {
    if (
      narrow.quantization?.scale[0] === steps.scale[0] &&
      narrow.quantization?.zeroPoint[0] === steps.zeroPoint[0]
    ) {
      return narrow;
    }
    const other = { ...narrow, name: `${value.name}/int8_${this.operations.length}`, quantization: steps };
    this.operations.push({ operator: 'QUANTIZE', inputs: [narrow], outputs: [other], options: {} });
    return other;
  }

  #operands(operation: Operation): (Value | undefined)[] {
    if (weightSlots[operation.operator] !== undefined) return this.#weighted(operation);
    const result = this.#steps(operation.outputs[0] as Value);
    return operation.inputs.map((value) => {
      if (!isFloatValue(value)) return value;
      const narrow = this.#narrow(value);
      return sameSteps.has(operation.operator) ? this.#requantized(value, narrow, result) : narrow;
    });
  }

  quantize(operation: Operation): void {
    const inputs = this.#operands(operation);
    const outputs = operation.outputs.map((output) => {
      const narrow = this.#asInt8(output);
      this.#int8.set(output, narrow);
      return narrow;
    });
    this.operations.push({ ...operation, inputs, outputs });
  }

  /** int8 weights per channel, and the bias as int32 in steps of what the kernel sums up. */
  #weighted(operation: Operation): (Value | undefined)[] {
    const { input: at, axis } = weightSlots[operation.operator] as { input: number; axis: number };
    const weights = int8PerChannel(floatConstant(operation.inputs[at]) as never, axis);
    const isValue = (v: Value | undefined, i: number): v is Value =>
      i !== at && isFloatValue(v) && v.data === undefined;
    const x = this.#narrow(operation.inputs.find(isValue) as Value);
    const step = x.quantization?.scale[0] as number;
    const scale = (weights.quantization?.scale ?? []).map((s) => Math.fround(s * step));
    return operation.inputs.map((input, i) => {
      if (i === at) return weights;
      if (isValue(input, i)) return x;
      const bias = floatConstant(input);
      if (bias === undefined) return input;
      const data = Int32Array.from(bias.data, (v, c) => Math.round(v / (scale[c] as number)));
      return {
        ...bias,
        name: `${bias.name}/int32`,
        dtype: 'int32' as const,
        data,
        quantization: { scale, zeroPoint: scale.map(() => 0), dimension: 0 },
      };
    });
  }
}

/**
 * Values and weights as int8, with floats at the model's inputs and outputs. Operations without an int8 kernel, or for which int8 is
 * too coarse, stay float.
 * @param ranges of the values of the float32 program, by name (`calibrate`)
 */
export function staticInt8(program: Program, ranges: ReadonlyMap<string, Range>): Program {
  const [main, ...bodies] = program.graphs as [Graph, ...Graph[]];
  const quantized = chosen(main);
  const rewriter = new Rewriter(stepsOf(main, quantized, ranges));
  for (const operation of main.operations) {
    if (quantized.has(operation)) rewriter.quantize(operation);
    else rewriter.keep(operation);
  }
  const outputs = main.outputs.map((output) => rewriter.widen(output));
  return { ...program, graphs: [{ ...main, outputs, operations: rewriter.operations }, ...bodies] };
}
