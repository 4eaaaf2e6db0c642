import { clone } from '@bufbuild/protobuf';
import { Graph, type ModelProto, ModelProtoSchema, makeNode, type NodeProto } from '../onnx/index.ts';

/** Largest finite float16. */
const largest = 65504;
/** Constants of a few numbers are steps and factors rather than weights. */
const fewestWeights = 16;

/** Round to nearest even, as IEEE 754 says; values beyond the range become the largest finite one. */
export function toFloat16Bits(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.min(Math.abs(value), largest);
  if (Number.isNaN(size)) return 0x7e00;
  const exponent = Math.max(-14, Math.floor(Math.log2(Math.max(size, 2 ** -30))));
  // log2 may land on the wrong side of a power of two.
  const fitted =
    size >= 2 ** (exponent + 1)
      ? exponent + 1
      : size < 2 ** exponent
        ? Math.max(-14, exponent - 1)
        : exponent;
  const steps = size / 2 ** (fitted - 10);
  const floor = Math.floor(steps);
  const rest = steps - floor;
  const rounded = floor + (rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? 1 : 0);
  // A subnormal has fewer than 1024 steps at the lowest exponent; a carry moves on to the next exponent by itself.
  const bits = fitted === -14 && rounded < 1024 ? rounded : ((fitted + 14) << 10) + rounded;
  return sign | Math.min(bits, 0x7bff);
}

/**
 * Weights in float16, computed with in float32: half the size to store, move and load, the same speed. Each weight keeps eleven bits.
 */
export function float16(model: ModelProto): ModelProto {
  const changed = clone(ModelProtoSchema, model);
  const graph = new Graph(changed);
  const casts: NodeProto[] = [];
  for (const name of graph.weightNames) {
    const { dims, data } = graph.weights(name)!;
    if (data.length < fewestWeights) continue;
    const half = graph.uniqueName(`${name}/float16`);
    // `from` would make a list of them all first, which hundreds of millions have no room in.
    const bits = new Uint16Array(data.length).map((_, i) => toFloat16Bits(data[i] as number));
    graph.setConstant(half, 'float16', dims, bits);
    graph.removeConstant(name);
    casts.push(makeNode('Cast', [half], [name], { to: 1n }));
  }
  graph.nodes = [...casts, ...graph.nodes];
  graph.finish();
  return changed;
}
