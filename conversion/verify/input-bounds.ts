import type { Signature } from '../manifest/index.ts';
import type { GraphProto, ModelProto, NodeProto } from '../onnx/index.ts';
import type { Tensor } from './interpreter/index.ts';

/** What hands on the very numbers that it is given. */
const passing = new Set([
  'Cast',
  'Concat',
  'Identity',
  'Reshape',
  'Slice',
  'Squeeze',
  'Transpose',
  'Unsqueeze',
]);

/** The values that hold the numbers of an input. */
function holding(graph: GraphProto, input: string): Set<string> {
  const reached = new Set([input]);
  for (const node of graph.node)
    if (passing.has(node.opType) && node.input.some((name) => reached.has(name)))
      for (const output of node.output) reached.add(output);
  return reached;
}

/** For each input that indexes tables (Embedding): the size of the smallest. */
export function tableSizes(model: ModelProto): Map<string, number> {
  const graph = model.graph!;
  const tables = new Map(graph.initializer.map((tensor) => [tensor.name, Number(tensor.dims[0] ?? 0n)]));
  const sizes = new Map<string, number>();
  for (const { name } of graph.input) {
    const reached = holding(graph, name);
    for (const node of graph.node) {
      const size = tables.get(node.input[0] ?? '');
      if (node.opType === 'Gather' && size !== undefined && reached.has(node.input[1] as string))
        sizes.set(name, Math.min(size, sizes.get(name) ?? size));
    }
  }
  return sizes;
}

/** By what whole numbers are divided, before 0 becomes 1: layers/operations/elementwise.ts has no other form of it. */
export function wholeDivisors({ node }: GraphProto): string[] {
  const makers = new Map(node.flatMap((each) => each.output.map((name) => [name, each] as const)));
  const makerOf = (name: string | undefined): NodeProto | undefined => makers.get(name ?? '');
  return node.flatMap(({ opType, input }) => {
    const chosen = opType === 'Div' || opType === 'Mod' ? makerOf(input[1]) : undefined;
    const isGuarded = chosen?.opType === 'Where' && makerOf(chosen.input[0])?.opType === 'Or';
    return isGuarded ? [chosen.input[2] as string] : [];
  });
}

/** Inputs with 1 for 0 where whole numbers are divided by them: of that neither framework has an answer. */
export function withoutZeroDivisors(
  inputs: readonly Tensor[],
  { inputs: specs }: Signature,
  model: ModelProto,
): readonly Tensor[] {
  const graph = model.graph!;
  const divisors = wholeDivisors(graph);
  if (divisors.length === 0) return inputs;
  return inputs.map((input, i) => {
    const reached = holding(graph, specs[i]!.name);
    return divisors.some((name) => reached.has(name))
      ? { ...input, data: input.data.map((value) => (value === 0 ? 1 : value)) }
      : input;
  });
}
