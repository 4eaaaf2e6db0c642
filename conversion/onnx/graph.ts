import { create } from '@bufbuild/protobuf';
import type { DataType } from '../manifest/index.ts';
import {
  type GraphProto,
  type ModelProto,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
} from './generated/onnx_pb.js';
import { type Attribute, attribute } from './graph-builder.ts';
import { type TensorData, tensorData, tensorProto } from './tensors.ts';

/** A float32 constant with its shape. */
export interface Weights {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

/** A graph that is being rewritten: who makes a value, who uses it, which values are constants. */
export class Graph {
  readonly #proto: GraphProto;
  readonly #constants: Map<string, TensorProto>;
  readonly #outputs: ReadonlySet<string>;
  readonly #names: Set<string>;

  /** Edits `model` in place: give it a copy. */
  constructor(model: ModelProto) {
    this.#proto = model.graph!;
    this.#constants = new Map(this.#proto.initializer.map((tensor) => [tensor.name, tensor]));
    this.#outputs = new Set(this.#proto.output.map(({ name }) => name));
    this.#names = new Set([
      ...this.#constants.keys(),
      ...this.#proto.input.map(({ name }) => name),
      ...this.#proto.node.flatMap(({ output }) => output),
    ]);
  }

  /** In the order of computation. */
  get nodes(): readonly NodeProto[] {
    return this.#proto.node;
  }

  set nodes(nodes: readonly NodeProto[]) {
    this.#proto.node = [...nodes];
  }

  get inputs(): readonly string[] {
    return this.#proto.input.map(({ name }) => name).filter((name) => !this.#constants.has(name));
  }

  isOutput(name: string): boolean {
    return this.#outputs.has(name);
  }

  isConstant(name: string): boolean {
    return this.#constants.has(name);
  }

  /** A float32 constant; undefined for values that flow and for other element types. */
  weights(name: string | undefined): Weights | undefined {
    const tensor = name === undefined ? undefined : this.#constants.get(name);
    const data = tensor === undefined ? undefined : tensorData(tensor);
    return data instanceof Float32Array ? { dims: tensor!.dims.map(Number), data } : undefined;
  }

  /** Names of all float32 constants. */
  get weightNames(): string[] {
    return [...this.#constants.keys()].filter((name) => this.weights(name) !== undefined);
  }

  /** Adds or replaces a constant. @returns its name */
  setConstant(name: string, dtype: DataType, dims: readonly number[], data: TensorData): string {
    this.#names.add(name);
    this.#constants.set(name, tensorProto(name, dtype, dims, data));
    return name;
  }

  /** A node gives the value from now on. */
  removeConstant(name: string): void {
    this.#constants.delete(name);
  }

  /** `wanted`, or `wanted_1`, `wanted_2`, ... where it is taken. */
  uniqueName(wanted: string): string {
    let name = wanted;
    for (let n = 1; this.#names.has(name); n++) name = `${wanted}_${n}`;
    this.#names.add(name);
    return name;
  }

  consumers(value: string): NodeProto[] {
    return this.#proto.node.filter((node) => node.input.includes(value) || readInside(node).includes(value));
  }

  producer(value: string): NodeProto | undefined {
    return this.#proto.node.find(({ output }) => output.includes(value));
  }

  /** Writes the constants that are still used back into the model. */
  finish(): void {
    const used = new Set(this.#proto.node.flatMap((node) => [...node.input, ...readInside(node)]));
    this.#proto.initializer = [...this.#constants.values()].filter(
      ({ name }) => used.has(name) || this.#outputs.has(name),
    );
    const kept = new Set(this.#proto.initializer.map(({ name }) => name));
    // Old exporters list constants as inputs too; one that went would be asked of the caller.
    const wasConstant = (name: string) => this.#constants.has(name) && !kept.has(name);
    this.#proto.input = this.#proto.input.filter(({ name }) => !wasConstant(name));
    // Shapes that an exporter noted of values in between may be wrong now; the runtime infers its own.
    this.#proto.valueInfo = [];
  }
}

/** What the bodies of a node may read of the graph around them. */
function readInside({ attribute }: NodeProto): string[] {
  return attribute.flatMap(({ g, graphs }) =>
    [...(g === undefined ? [] : [g]), ...graphs].flatMap((body) => [
      ...body.node.flatMap((node) => [...node.input, ...readInside(node)]),
      ...body.output.map(({ name }) => name),
    ]),
  );
}

/** A node, named by its first output. */
export function makeNode(
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Readonly<Record<string, Attribute>> = {},
): NodeProto {
  return create(NodeProtoSchema, {
    opType,
    name: output[0] as string,
    input: [...input],
    output: [...output],
    attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
  });
}

/** An integer attribute of a node. */
export function intAttribute(node: NodeProto, name: string, otherwise: number): number {
  const found = node.attribute.find((candidate) => candidate.name === name);
  return found === undefined ? otherwise : Number(found.i);
}

/** A float attribute of a node. */
export function floatAttribute(node: NodeProto, name: string, otherwise: number): number {
  return node.attribute.find((candidate) => candidate.name === name)?.f ?? otherwise;
}
