import type { Graph, Operation, Program, Value } from '../ir.ts';
import { float16Bits, floatConstant } from './weights.ts';

/** Below that the operation that widens a constant takes more room than it saves. */
const worthwhile = 128;

/** Constants as float16, widened when the model is loaded: half the size, the same speed. */
export function float16Weights(program: Program): Program {
  return { ...program, graphs: program.graphs.map(narrowed) };
}

function narrowed(graph: Graph): Graph {
  const widened = new Map<Value, Value>();
  const operations: Operation[] = [];
  for (const operation of graph.operations) {
    const inputs = operation.inputs.map((input) => {
      const constant = floatConstant(input);
      if (constant === undefined || constant.data.length < worthwhile) return input;
      const known = widened.get(constant);
      if (known !== undefined) return known;
      const half: Value = {
        ...constant,
        name: `${constant.name}/half`,
        dtype: 'float16',
        data: Uint16Array.from(constant.data, float16Bits),
      };
      const { data: _, ...wide } = constant;
      operations.push({ operator: 'DEQUANTIZE', inputs: [half], outputs: [wide], options: {} });
      widened.set(constant, wide);
      return wide;
    });
    operations.push({ ...operation, inputs });
  }
  return { ...graph, operations };
}
