import { create } from '@bufbuild/protobuf';
import type { DataType, TensorSpec } from '../manifest/index.ts';
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
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
}

/** Integers are bigint, so that `axis: 1n` (INT) and `alpha: 1` (FLOAT) cannot be mixed up. */
export type Attribute = bigint | number | string | readonly bigint[] | readonly number[] | TensorProto;

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
  if ('$typeName' in value)
    return create(AttributeProtoSchema, { name, type: AttributeType.TENSOR, t: value });
  if (value.length > 0 && typeof value[0] === 'number') {
    return create(AttributeProtoSchema, { name, type: AttributeType.FLOATS, floats: value as number[] });
  }
  return create(AttributeProtoSchema, { name, type: AttributeType.INTS, ints: value as bigint[] });
}

/** Builds an ONNX graph node by node; every value gets a name that nobody else has. */
export class GraphBuilder {
  readonly #nodes: NodeProto[] = [];
  readonly #initializers: TensorProto[] = [];
  readonly #inputs: TensorSpec[] = [];
  readonly #outputs: TensorSpec[] = [];
  readonly #taken = new Set<string>();

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
    const name = this.uniqueName(wanted);
    this.#initializers.push(tensorProto(name, dtype, dims, data));
    return { name, dtype, shape: dims };
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

  build(name: string): ModelProto {
    return modelOf(
      create(GraphProtoSchema, {
        name,
        node: this.#nodes,
        initializer: this.#initializers,
        input: this.#inputs.map(valueInfo),
        output: this.#outputs.map(valueInfo),
      }),
    );
  }
}
