import { create } from '@bufbuild/protobuf';
import type { DataType, TensorSpec } from '../manifest/index.ts';
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
} from './generated/onnx_pb.js';
import { modelOf, valueInfo } from './model.ts';
import { type TensorData, tensorProto } from './tensors.ts';

/** A value that flows through the graph. `shape[i] === -1` is known at run time only. */
export interface SymbolicTensor {
  readonly name: string;
  readonly dtype: DataType;
  readonly shape: readonly number[];
  /** The same value with the channels before the space, where it was computed so. */
  readonly channelsFirst?: SymbolicTensor;
  /** Keras's mask that travels with the value: bool [batch, steps], false = padding. */
  readonly mask?: SymbolicTensor;
}

/** Integers are bigint, so that `axis: 1n` (INT) and `alpha: 1` (FLOAT) cannot be mixed up. */
export type Attribute =
  | bigint
  | number
  | string
  | readonly bigint[]
  | readonly number[]
  | readonly string[]
  | TensorProto
  | GraphProto;

/** A node attribute of the type that the value's type stands for. */
export function attribute(name: string, value: Attribute): AttributeProto {
  if (typeof value === 'bigint')
    return create(AttributeProtoSchema, { name, type: AttributeType.INT, i: value });
  if (typeof value === 'number')
    return create(AttributeProtoSchema, { name, type: AttributeType.FLOAT, f: value });
  if (typeof value === 'string') {
    return create(AttributeProtoSchema, {
      name,
      type: AttributeType.STRING,
      s: new TextEncoder().encode(value),
    });
  }
  if ('$typeName' in value && value.$typeName === 'onnx.GraphProto')
    return create(AttributeProtoSchema, { name, type: AttributeType.GRAPH, g: value });
  if ('$typeName' in value)
    return create(AttributeProtoSchema, { name, type: AttributeType.TENSOR, t: value });
  if (value.length > 0 && typeof value[0] === 'string') {
    const strings = (value as string[]).map((item) => new TextEncoder().encode(item));
    return create(AttributeProtoSchema, { name, type: AttributeType.STRINGS, strings });
  }
  if (value.length > 0 && typeof value[0] === 'number') {
    return create(AttributeProtoSchema, { name, type: AttributeType.FLOATS, floats: value as number[] });
  }
  return create(AttributeProtoSchema, { name, type: AttributeType.INTS, ints: value as bigint[] });
}

/** Every value that a node reads, those that its body takes from around it included. */
function usedBy(node: NodeProto): string[] {
  const bodies = node.attribute.flatMap((attribute) => (attribute.g === undefined ? [] : [attribute.g]));
  return [
    ...node.input,
    ...bodies.flatMap((body) => [...body.node.flatMap(usedBy), ...body.output.map((o) => o.name)]),
  ];
}

/** Builds an ONNX graph node by node; every value gets a name that nobody else has. */
export class GraphBuilder {
  readonly #nodes: NodeProto[] = [];
  readonly #initializers: TensorProto[] = [];
  readonly #inputs: TensorSpec[] = [];
  readonly #outputs: TensorSpec[] = [];
  readonly #taken: Set<string>;
  readonly #once = new WeakMap<object, Map<string, SymbolicTensor>>();

  /** @param outer the graph that this one is a body of: names are unique in both, and values of it may be used here */
  constructor(outer?: GraphBuilder) {
    this.#taken = outer === undefined ? new Set() : outer.#taken;
  }

  /** `wanted`, or `wanted_1`, `wanted_2`, ... where it is taken. */
  uniqueName(wanted: string): string {
    let name = wanted;
    for (let n = 1; this.#taken.has(name); n++) name = `${wanted}_${n}`;
    this.#taken.add(name);
    return name;
  }

  input(wanted: string, dtype: DataType, shape: readonly number[]): SymbolicTensor {
    const name = this.uniqueName(wanted);
    this.#inputs.push({ name, dtype, shape: [...shape] });
    return { name, dtype, shape };
  }

  constant(wanted: string, dtype: DataType, dims: readonly number[], data: TensorData): SymbolicTensor {
    const count = dims.reduce((product, dim) => product * dim, 1);
    if (!ArrayBuffer.isView(data) || data.length !== count) {
      throw new TypeError(`constant '${wanted}' [${dims}] needs a typed array of ${count} values`);
    }
    const name = this.uniqueName(wanted);
    this.#initializers.push(tensorProto(name, dtype, dims, data));
    return { name, dtype, shape: dims };
  }

  /** What `make` gives for the object and form, made once: a layer that is called twice writes its weights once. */
  once(owner: object, form: string, make: () => SymbolicTensor): SymbolicTensor {
    const forms = this.#once.get(owner) ?? new Map<string, SymbolicTensor>();
    this.#once.set(owner, forms);
    const made = forms.get(form) ?? make();
    forms.set(form, made);
    return made;
  }

  /** A shape or axes operand, which ONNX wants as int64. */
  int64s(wanted: string, values: readonly number[]): SymbolicTensor {
    return this.constant(wanted, 'int64', [values.length], BigInt64Array.from(values, BigInt));
  }

  /** @returns the node's outputs' names; `''` as an input is ONNX's "left out". */
  nodes(
    opType: string,
    inputs: readonly (SymbolicTensor | '')[],
    wantedOutputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    domain = '',
  ): string[] {
    const output = wantedOutputs.map((wanted) => (wanted === '' ? '' : this.uniqueName(wanted)));
    this.#nodes.push(
      create(NodeProtoSchema, {
        opType,
        domain,
        name: output[0] as string,
        input: inputs.map((input) => (input === '' ? '' : input.name)),
        output,
        attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
      }),
    );
    return output;
  }

  /** A node with one output of the given type. */
  node(
    opType: string,
    inputs: readonly (SymbolicTensor | '')[],
    output: { name: string; shape: readonly number[]; dtype?: DataType },
    attributes: Readonly<Record<string, Attribute>> = {},
  ): SymbolicTensor {
    const [name] = this.nodes(opType, inputs, [output.name], attributes);
    const first = inputs.find((input) => input !== '') as SymbolicTensor;
    return { name: name as string, shape: output.shape, dtype: output.dtype ?? first.dtype };
  }

  /** Makes a value an output of the model, under the name that callers will see. */
  output(wanted: string, value: SymbolicTensor): TensorSpec {
    const spec = { name: this.uniqueName(wanted), dtype: value.dtype, shape: [...value.shape] };
    this.nodes('Identity', [value], []);
    const node = this.#nodes.at(-1) as NodeProto;
    node.output = [spec.name];
    node.name = spec.name;
    this.#outputs.push(spec);
    return spec;
  }

  /** The graph as it is, to be a body (of Scan). */
  body(name: string): GraphProto {
    return create(GraphProtoSchema, {
      name,
      node: this.#nodes,
      initializer: this.#initializers,
      input: this.#inputs.map(valueInfo),
      output: this.#outputs.map(valueInfo),
    });
  }

  /** The model; nodes and constants that no output depends on are left out. */
  build(name: string): ModelProto {
    const graph = this.body(name);
    const needed = new Set(this.#outputs.map((spec) => spec.name));
    graph.node = graph.node
      .toReversed()
      .filter((node) => {
        if (!node.output.some((output) => needed.has(output))) return false;
        for (const value of usedBy(node)) needed.add(value);
        return true;
      })
      .toReversed();
    graph.initializer = graph.initializer.filter((tensor) => needed.has(tensor.name));
    return modelOf(graph);
  }
}
