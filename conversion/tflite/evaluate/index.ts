import type { FileOperator, FileSubgraph, FileTensor, TfliteFile } from '../read.ts';
import { elementwise } from './elementwise.ts';
import { images } from './images.ts';
import { linear } from './linear.ts';
import { movement } from './movement.ts';
import type { Operator } from './operator.ts';
import { reductions } from './reductions.ts';
import { EvaluationError, realValues, stored, type Tensor } from './tensor.ts';

export type { Tensor } from './tensor.ts';

/** Operators by TFLite's name. */
const operators: Readonly<Record<string, Operator>> = {
  ...elementwise,
  ...images,
  ...linear,
  ...movement,
  ...reductions,
};

export interface EvaluationOptions {
  /** Multiply-adds that are granted. */
  readonly maxWork?: number;
  /** Called with every computed value of the main subgraph, by tensor name. */
  readonly onValue?: (tensor: string, value: Tensor) => void;
}

/** Whether `evaluate` knows an operator. */
export const isKnownOperator = (name: string): boolean => Object.hasOwn(operators, name);

class Machine {
  readonly #file: TfliteFile;
  readonly #onValue: NonNullable<EvaluationOptions['onValue']>;
  readonly #constants = new Map<FileTensor, Tensor>();
  #work: number;

  constructor(file: TfliteFile, options: EvaluationOptions) {
    this.#file = file;
    this.#work = options.maxWork ?? Number.POSITIVE_INFINITY;
    this.#onValue = options.onValue ?? (() => {});
  }

  #spend(operations: number): void {
    this.#work -= operations;
    if (this.#work < 0) throw new EvaluationError('it asks for more work than any real model does');
  }

  #constant(tensor: FileTensor): Tensor | undefined {
    if (tensor.data === undefined) return undefined;
    const known = this.#constants.get(tensor);
    if (known !== undefined) return known;
    const value = realValues(tensor, tensor.data);
    this.#constants.set(tensor, value);
    return value;
  }

  #call(
    graph: FileSubgraph,
    operator: FileOperator,
    values: Map<number, Tensor>,
    depth: number,
  ): readonly Tensor[] {
    const run = operators[operator.operator];
    if (run === undefined) throw new EvaluationError(`the operator ${operator.operator} is not known`);
    const tensors = operator.inputs.map((index) =>
      index < 0 ? undefined : (graph.tensors[index] as FileTensor),
    );
    const result = run({
      operator: operator.operator,
      inputs: operator.inputs.map((index, i) => {
        if (index < 0) return undefined;
        const value = values.get(index) ?? this.#constant(tensors[i] as FileTensor);
        if (value === undefined)
          throw new EvaluationError(`'${tensors[i]?.name}' is read before it is computed`);
        return value;
      }),
      options: operator.options,
      isHybrid:
        tensors[1]?.dtype === 'int8' && tensors.some((t) => t?.dtype === 'float32' && t.data === undefined),
      outputs: operator.outputs.length,
      spend: (operations) => this.#spend(operations),
      subgraph: (index, inputs) => this.run(index, inputs, depth + 1),
    });
    return Array.isArray(result) ? (result as readonly Tensor[]) : [result as Tensor];
  }

  run(index: number, inputs: readonly Tensor[], depth: number): Tensor[] {
    const graph = this.#file.subgraphs[index];
    if (graph === undefined || depth > 8)
      throw new EvaluationError(`there is no subgraph ${index}, or it calls itself`);
    if (graph.inputs.length !== inputs.length)
      throw new EvaluationError(`subgraph ${index} takes ${graph.inputs.length} values`);
    const values = new Map<number, Tensor>();
    const keep = (at: number, value: Tensor) => {
      const tensor = graph.tensors[at] as FileTensor;
      const kept = stored(tensor, value);
      values.set(at, kept);
      if (depth === 0) this.#onValue(tensor.name, kept);
    };
    graph.inputs.forEach((at, i) => {
      keep(at, inputs[i] as Tensor);
    });
    for (const operator of graph.operators) {
      this.#spend(1);
      const results = this.#call(graph, operator, values, depth);
      operator.outputs.forEach((at, i) => {
        const value = results[i];
        if (value === undefined) throw new EvaluationError(`${operator.operator} has no result ${i}`);
        this.#spend(value.data.length);
        keep(at, value);
      });
    }
    return graph.outputs.map((at) => {
      const value = values.get(at) ?? this.#constant(graph.tensors[at] as FileTensor);
      if (value === undefined)
        throw new EvaluationError(`the output '${graph.tensors[at]?.name}' is not computed`);
      return value;
    });
  }
}

/**
 * Runs a .tflite file by its operators' definitions, naively and in float64. Shapes follow the inputs, so any batch size goes.
 * Shares nothing with layers/: it judges what was really written.
 * @param inputs one tensor per input of the main subgraph, in order; integers as numbers.
 * @throws EvaluationError
 */
export function evaluate(
  file: TfliteFile,
  inputs: readonly Tensor[],
  options: EvaluationOptions = {},
): Tensor[] {
  return new Machine(file, options).run(0, inputs, 0);
}
