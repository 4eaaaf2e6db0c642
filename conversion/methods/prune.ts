import { clone } from '@bufbuild/protobuf';
import { ConversionError } from '../errors.ts';
import { Graph, type ModelProto, ModelProtoSchema, type Weights } from '../onnx/index.ts';
import { type ChannelGroup, ChannelGroups, type Slices } from './channel-groups.ts';

/** Smaller constants are biases and factors. */
const fewestWeights = 256;

/** Calls `each` with every element's index and its channel. */
function forChannels(
  { dims, data }: Weights,
  { axis, repeat }: Slices,
  each: (index: number, channel: number) => void,
): void {
  const inner = dims.slice(axis + 1).reduce((product, size) => product * size, 1);
  const size = dims[axis] as number;
  for (let i = 0; i < data.length; i++) each(i, Math.floor((Math.floor(i / inner) % size) / repeat));
}

function squares(graph: Graph, group: ChannelGroup, slices: readonly Slices[]): Float64Array {
  const sums = new Float64Array(group.size);
  for (const slice of slices) {
    const weights = graph.weights(slice.name)!;
    forChannels(weights, slice, (i, channel) => {
      sums[channel] = (sums[channel] as number) + (weights.data[i] as number) ** 2;
    });
  }
  return sums;
}

/** Takes the channels that are not kept out of every constant of the group. */
function remove(graph: Graph, group: ChannelGroup, kept: readonly boolean[]): void {
  const left = kept.filter(Boolean).length;
  for (const slice of [...group.makers, ...group.inside, ...group.takers]) {
    const weights = graph.weights(slice.name)!;
    const dims = weights.dims.map((size, axis) => (axis === slice.axis ? left * slice.repeat : size));
    const data = new Float32Array(dims.reduce((product, size) => product * size, 1));
    let at = 0;
    forChannels(weights, slice, (i, channel) => {
      if (kept[channel]) data[at++] = weights.data[i] as number;
    });
    graph.setConstant(slice.name, 'float32', dims, data);
  }
  for (const node of group.depthwise)
    for (const attribute of node.attribute) if (attribute.name === 'group') attribute.i = BigInt(left);
  group.size = left;
}

type Chooser = (graph: Graph, group: ChannelGroup) => boolean[];

/** Units that nobody takes anything from, or that are zero whatever comes. */
const isAlive: Chooser = (graph, group) => {
  const taken = squares(graph, group, group.takers);
  const made = squares(graph, group, group.makers);
  return Array.from(taken, (sum, channel) => sum > 0 && !(group.keepsZero && made[channel] === 0));
};

/** The weakest share of the units, by the norm of the weights that make them. */
const strongest =
  (share: number): Chooser =>
  (graph, group) => {
    const norms = squares(graph, group, group.makers);
    const order = Array.from(norms.keys()).sort((a, b) => norms[a]! - norms[b]! || a - b);
    const gone = new Set(order.slice(0, Math.floor(share * group.size)));
    return Array.from(norms, (_, channel) => !gone.has(channel));
  };

/** @returns undefined where there is none to take out */
function removeUnits(model: ModelProto, choose: Chooser): ModelProto | undefined {
  const changed = clone(ModelProtoSchema, model);
  const graph = new Graph(changed);
  // Constants that several layers share would be cut twice.
  const uses = new Map<string, number>();
  const groups = new ChannelGroups(graph).prunable;
  let isChanged = false;
  for (const node of graph.nodes) for (const name of node.input) uses.set(name, (uses.get(name) ?? 0) + 1);
  for (const group of groups) {
    const slices = [...group.makers, ...group.inside, ...group.takers];
    if (slices.some(({ name }) => (uses.get(name) ?? 0) > 1)) continue;
    const kept = choose(graph, group);
    // A layer without a unit is none.
    if (!kept.includes(true)) kept[0] = true;
    if (!kept.includes(false)) continue;
    remove(graph, group, kept);
    isChanged = true;
  }
  graph.finish();
  return isChanged ? changed : undefined;
}

/** Zeros instead of the smallest weights of each matrix: the file stays as large and as fast, and compresses better on its way. */
function zeroSmallest(model: ModelProto, share: number): ModelProto | undefined {
  const changed = clone(ModelProtoSchema, model);
  const graph = new Graph(changed);
  let isChanged = false;
  for (const name of graph.weightNames) {
    const { dims, data } = graph.weights(name)!;
    if (data.length < fewestWeights || dims.length < 2) continue;
    const sizes = data.map(Math.abs).sort();
    const threshold = sizes[Math.floor(share * data.length)] as number;
    isChanged = true;
    graph.setConstant(
      name,
      'float32',
      dims,
      data.map((value) => (Math.abs(value) < threshold ? 0 : value)),
    );
  }
  graph.finish();
  return isChanged ? changed : undefined;
}

/** Ways to prune, by the word before the colon. */
const ways: Readonly<Record<string, (model: ModelProto, share: number) => ModelProto | undefined>> = {
  dead: (model) => removeUnits(model, isAlive) ?? model,
  structured: (model, share) => removeUnits(model, strongest(share)),
  unstructured: zeroSmallest,
};

/** Why a way that takes a share found nothing. */
const reasons: Readonly<Record<string, string>> = {
  structured:
    'units go where dense and convolutional layers of weights of their own follow one another, and the share must be one of them at least; unstructured:<share> makes zeros of weights anywhere',
  unstructured: `it looks at matrices of ${fewestWeights} weights and more`,
};

/**
 * Prunes a frozen model: `dead` (units that change nothing), `structured:0.5` (the weakest half of the units of every group of layers,
 * smaller and faster), `unstructured:0.8` (transfer size only).
 * @throws ConversionError CONVERSION_BAD_OPTION, for a share of what the model does not have too
 */
export function prune(model: ModelProto, how: string): ModelProto {
  const [word = '', text] = how.split(':');
  const share = Number(text ?? 0);
  const takesShare = word !== 'dead';
  if (!Object.hasOwn(ways, word) || takesShare === (text === undefined) || !(share >= 0 && share < 1)) {
    throw new ConversionError(
      'CONVERSION_BAD_OPTION',
      `prune '${how}' is none of dead, structured:<share>, unstructured:<share>, with a share from 0 to below 1, as in structured:0.5`,
    );
  }
  const pruned = ways[word]!(model, share);
  if (pruned !== undefined || share === 0) return pruned ?? model;
  throw new ConversionError(
    'CONVERSION_BAD_OPTION',
    `Pruning ${how} finds nothing to take out of this model: ${reasons[word]}`,
  );
}
