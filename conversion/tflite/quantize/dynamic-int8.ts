import type { Graph, Operation, Program } from '../ir.ts';
import { floatConstant, int8PerChannel, weightSlots } from './weights.ts';

/** TFLite's converter leaves smaller weights alone: they cost accuracy and save nothing. */
const worthwhile = 1024;

/** Operations whose kernels quantize float values as they come in. */
const hybrid = new Set(['CONV_2D', 'DEPTHWISE_CONV_2D', 'FULLY_CONNECTED']);

/** Weights as int8, values as float32: a quarter of the size, no calibration. */
export function dynamicInt8(program: Program): Program {
  return { ...program, graphs: program.graphs.map(quantized) };
}

function isGrouped(operation: Operation): boolean {
  const [x, weights] = operation.inputs;
  return operation.operator === 'CONV_2D' && x?.shape.at(-1) !== weights?.shape.at(-1);
}

function quantized(graph: Graph): Graph {
  const operations = graph.operations.flatMap((operation): Operation[] => {
    const slot = weightSlots[operation.operator];
    const weights = slot && floatConstant(operation.inputs[slot.input]);
    if (slot === undefined || weights === undefined || weights.data.length < worthwhile) return [operation];
    const small = int8PerChannel(weights, slot.axis);
    const replace = (by: typeof small) => operation.inputs.map((input, i) => (i === slot.input ? by : input));
    if (hybrid.has(operation.operator) && !isGrouped(operation)) {
      const isDense = operation.operator === 'FULLY_CONNECTED';
      const options = isDense ? { ...operation.options, asymmetricQuantizeInputs: true } : operation.options;
      return [{ ...operation, inputs: replace(small), options }];
    }
    const {
      data: _,
      quantization: __,
      ...wide
    } = { ...small, name: `${small.name}/wide`, dtype: 'float32' as const };
    return [
      { operator: 'DEQUANTIZE', inputs: [small], outputs: [wide], options: {} },
      { ...operation, inputs: replace(wide) },
    ];
  });
  return { ...graph, operations };
}
