import { createHash } from 'node:crypto';
import type { Graph, Operation, Value } from '../ir.ts';

/** Computes once what is computed twice from the same values. Outputs of the graph stay tensors of their own. */
export function shareResults(graph: Graph): Graph {
  const outputs = new Set(graph.outputs);
  const ids = new Map<Value, string>();
  const idOf = (value: Value | undefined): string => {
    if (value === undefined) return '-';
    const known = ids.get(value);
    if (known !== undefined) return known;
    const { data, dtype, shape, name } = value;
    const bytes = data && new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const id = bytes
      ? `${dtype}[${shape}]${createHash('sha256').update(bytes).digest('hex')}`
      : `value ${name}`;
    ids.set(value, id);
    return id;
  };
  const replaced = new Map<Value, Value>();
  const known = new Map<string, Operation>();
  const operations: Operation[] = [];
  for (const original of graph.operations) {
    const operation = {
      ...original,
      inputs: original.inputs.map((input) => (input && replaced.get(input)) ?? input),
    };
    const key = JSON.stringify([operation.operator, operation.inputs.map(idOf), operation.options]);
    const same = known.get(key);
    if (same !== undefined && !operation.outputs.some((output) => outputs.has(output))) {
      operation.outputs.forEach((output, i) => {
        replaced.set(output, same.outputs[i] as Value);
      });
    } else {
      known.set(key, operation);
      operations.push(operation);
    }
  }
  return { ...graph, operations };
}
