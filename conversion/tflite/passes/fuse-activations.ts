import type { Graph, Operation, Value } from '../ir.ts';
import { consumersOf, onlyConsumer } from './consumers.ts';

/** Activations that kernels apply to what they compute, by their code in the file. */
const fusable: Readonly<Record<string, number>> = { RELU: 1, RELU_N1_TO_1: 2, RELU6: 3 };

const hosts = new Set([
  'ADD',
  'AVERAGE_POOL_2D',
  'CONV_2D',
  'DEPTHWISE_CONV_2D',
  'DIV',
  'FULLY_CONNECTED',
  'MAX_POOL_2D',
  'MUL',
  'SUB',
]);

/** Puts a ReLU into the operation before it, where nobody else reads what that one computes. */
export function fuseActivations(graph: Graph): Graph {
  const consumers = consumersOf(graph);
  const gone = new Set<Operation>();
  const operations: Operation[] = [];
  for (const operation of graph.operations) {
    if (gone.has(operation)) continue;
    const next = onlyConsumer(consumers, operation.outputs[0] as Value);
    const code = next === undefined ? undefined : fusable[next.operator];
    const isFree = (operation.options['fusedActivationFunction'] ?? 0) === 0;
    if (next === undefined || code === undefined || !isFree || !hosts.has(operation.operator)) {
      operations.push(operation);
      continue;
    }
    gone.add(next);
    operations.push({
      ...operation,
      outputs: next.outputs,
      options: { ...operation.options, fusedActivationFunction: code },
    });
  }
  return { ...graph, operations };
}
