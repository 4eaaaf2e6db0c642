import type { Tensor } from './tensor.ts';
import { EvaluationError } from './tensor.ts';

/** What an operator gets. */
export interface Call {
  readonly operator: string;
  /** undefined where the file leaves an operand out. */
  readonly inputs: readonly (Tensor | undefined)[];
  readonly options: Readonly<Record<string, unknown>>;
  /** Whether an operand is stored as int8 weights while the values are floats: kernels quantize the values then. */
  readonly isHybrid: boolean;
  /** How many results the file expects. */
  readonly outputs: number;
  /** Accounts for work; throws where a file asks for more than was granted. */
  spend(operations: number): void;
  /** Runs another subgraph. */
  subgraph(index: number, inputs: readonly Tensor[]): Tensor[];
}

/** An operator of TFLite by its definition, in float64. */
export type Operator = (call: Call) => Tensor | readonly Tensor[];

/** Operand `index`, which must be there. */
export function operand(call: Call, index: number): Tensor {
  const value = call.inputs[index];
  if (value === undefined) throw new EvaluationError(`${call.operator} lacks operand ${index}`);
  return value;
}

/** A numeric option; flatbuffers leave zeros out. */
export const option = (call: Call, name: string): number => Number(call.options[name] ?? 0);

const clamps: Readonly<Record<number, (v: number) => number>> = {
  1: (v) => Math.max(v, 0),
  2: (v) => Math.min(Math.max(v, -1), 1),
  3: (v) => Math.min(Math.max(v, 0), 6),
  4: Math.tanh,
};

/** Applies `fusedActivationFunction`, in place. */
export function fused(call: Call, value: Tensor): Tensor {
  const code = option(call, 'fusedActivationFunction');
  if (code === 0) return value;
  const f = clamps[code];
  if (f === undefined) throw new EvaluationError(`${call.operator} with the fused activation ${code}`);
  for (let i = 0; i < value.data.length; i++) value.data[i] = f(value.data[i] as number);
  return value;
}
