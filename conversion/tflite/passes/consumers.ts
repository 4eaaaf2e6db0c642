import type { Graph, Operation, Value } from '../ir.ts';

/** Who reads a value. The graph itself reads its outputs. */
export function consumersOf(graph: Graph): ReadonlyMap<Value, readonly (Operation | 'output')[]> {
  const consumers = new Map<Value, (Operation | 'output')[]>();
  const add = (value: Value | undefined, reader: Operation | 'output') => {
    if (value !== undefined) consumers.set(value, [...(consumers.get(value) ?? []), reader]);
  };
  for (const operation of graph.operations) for (const input of operation.inputs) add(input, operation);
  for (const output of graph.outputs) add(output, 'output');
  return consumers;
}

/** The one operation that reads a value, where there is just one. */
export function onlyConsumer(
  consumers: ReadonlyMap<Value, readonly (Operation | 'output')[]>,
  value: Value,
): Operation | undefined {
  const readers = consumers.get(value) ?? [];
  return readers.length === 1 && readers[0] !== 'output' ? (readers[0] as Operation) : undefined;
}
