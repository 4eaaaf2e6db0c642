import type { ConstantData, Graph, Operation, Options, TfliteType, Value } from './ir.ts';

/** Builds one subgraph operation by operation; every value gets a name that no other of the model has. */
export class GraphBuilder {
  readonly #name: string;
  readonly #taken: Map<string, number>;
  readonly #inputs: Value[] = [];
  readonly #operations: Operation[] = [];
  readonly #bodies: Graph[];

  private constructor(name: string, taken: Map<string, number>, bodies: Graph[]) {
    this.#name = name;
    this.#taken = taken;
    this.#bodies = bodies;
  }

  static main(): GraphBuilder {
    return new GraphBuilder('main', new Map(), []);
  }

  /** A further subgraph, for a loop. */
  body(name: string): GraphBuilder {
    return new GraphBuilder(name, this.#taken, this.#bodies);
  }

  #unique(wanted: string): string {
    let name = wanted;
    let n = this.#taken.get(wanted) ?? 0;
    while (this.#taken.has(name)) name = `${wanted}_${++n}`;
    // Where to go on counting: unrolled loops ask for the same name thousands of times.
    this.#taken.set(wanted, n);
    this.#taken.set(name, this.#taken.get(name) ?? 0);
    return name;
  }

  input(wanted: string, dtype: TfliteType, shape: readonly number[]): Value {
    const value: Value = { name: this.#unique(wanted), dtype, shape: [...shape] };
    this.#inputs.push(value);
    return value;
  }

  constant(wanted: string, dtype: TfliteType, shape: readonly number[], data: ConstantData): Value {
    return { name: this.#unique(wanted), dtype, shape: [...shape], data };
  }

  /** A shape, axes or paddings operand. */
  int32s(wanted: string, values: readonly number[], shape: readonly number[] = [values.length]): Value {
    return this.constant(wanted, 'int32', shape, Int32Array.from(values));
  }

  scalar(wanted: string, value: number): Value {
    return this.constant(wanted, 'float32', [], Float32Array.of(value));
  }

  /** An operation with one output, of the first input's element type where none is given. */
  node(
    operator: string,
    inputs: readonly (Value | undefined)[],
    output: { name: string; shape: readonly number[]; dtype?: TfliteType },
    options: Options = {},
  ): Value {
    return this.nodes(operator, inputs, [output], options)[0] as Value;
  }

  nodes(
    operator: string,
    inputs: readonly (Value | undefined)[],
    outputs: readonly { name: string; shape: readonly number[]; dtype?: TfliteType }[],
    options: Options = {},
  ): Value[] {
    const dtype = (inputs[0] as Value).dtype;
    const values = outputs.map((output) => ({
      name: this.#unique(output.name),
      shape: [...output.shape],
      dtype: output.dtype ?? dtype,
    }));
    this.#operations.push({ operator, inputs: [...inputs], outputs: [...values], options });
    return values;
  }

  graph(outputs: readonly Value[]): Graph {
    return { name: this.#name, inputs: this.#inputs, outputs: [...outputs], operations: this.#operations };
  }

  /** Keeps a body. @returns its index among the model's subgraphs. */
  addBody(graph: Graph): number {
    this.#bodies.push(graph);
    return this.#bodies.length;
  }

  /** The main graph and the bodies that were added to it. */
  graphs(outputs: readonly Value[]): Graph[] {
    return [this.graph(outputs), ...this.#bodies];
  }
}
