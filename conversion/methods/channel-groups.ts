import { type Graph, intAttribute, type NodeProto } from '../onnx/index.ts';

/** A constant that holds one slice for each channel of a group. */
export interface Slices {
  readonly name: string;
  readonly axis: number;
  /** Neighbouring indices along the axis that belong to one channel: more than 1 behind a Flatten. */
  readonly repeat: number;
}

/** Channels that can only go together: everywhere a value with them flows. */
export class ChannelGroup {
  /** Constants that make the channels, biases among them. */
  readonly makers: Slices[] = [];
  /** Constants that act on each channel by itself. */
  readonly inside: Slices[] = [];
  /** Constants that take the channels in. */
  readonly takers: Slices[] = [];
  /** Depthwise convolutions, whose `group` is the number of channels. */
  readonly depthwise: NodeProto[] = [];
  size = 0;
  /** Why no channel may go; undefined where they may. */
  fixed: string | undefined;
  /** Whether channels of zeros stay zeros all the way. */
  keepsZero = true;
}

/** Operators that treat each channel by itself, and whether they give zero for zero. */
const channelwise: Readonly<Record<string, boolean>> = {
  Relu: true,
  LeakyRelu: true,
  Elu: true,
  Selu: true,
  Tanh: true,
  Softsign: true,
  HardSwish: true,
  Gelu: true,
  Identity: true,
  MaxPool: true,
  AveragePool: true,
  GlobalAveragePool: true,
  GlobalMaxPool: true,
  Sigmoid: false,
  HardSigmoid: false,
  Softplus: false,
  Clip: false,
  Exp: false,
};

/** A value's channels: which group, and which axis they lie on. */
interface Channels {
  group: ChannelGroup;
  readonly kind: 'second' | 'last' | 'flat';
}

/**
 * Finds which channels of a graph depend on each other, so that units can go without a trace: dense and convolution outputs, through
 * activations, pools, depthwise convolutions and additions, to the layers that take them.
 */
export class ChannelGroups {
  readonly #graph: Graph;
  readonly #of = new Map<string, Channels>();
  readonly #merged = new Map<ChannelGroup, ChannelGroup>();
  readonly #groups = new Set<ChannelGroup>();

  constructor(graph: Graph) {
    this.#graph = graph;
    for (const node of graph.nodes) this.#look(node);
    for (const [value, channels] of this.#of)
      if (graph.isOutput(value)) this.#root(channels.group).fixed ??= 'the model answers with it';
  }

  /** Those whose channels may go. */
  get prunable(): ChannelGroup[] {
    return [...this.#groups].filter(
      (group) => this.#root(group) === group && group.fixed === undefined && group.takers.length > 0,
    );
  }

  #root(group: ChannelGroup): ChannelGroup {
    const next = this.#merged.get(group);
    return next === undefined ? group : this.#root(next);
  }

  #channels(value: string): Channels | undefined {
    const found = this.#of.get(value);
    if (found !== undefined) found.group = this.#root(found.group);
    return found;
  }

  #fix(values: readonly string[], why: string): void {
    for (const value of values) {
      const channels = this.#channels(value);
      if (channels !== undefined) channels.group.fixed ??= why;
    }
  }

  #merge(a: ChannelGroup, b: ChannelGroup): ChannelGroup {
    if (a === b) return a;
    a.makers.push(...b.makers);
    a.inside.push(...b.inside);
    a.takers.push(...b.takers);
    a.depthwise.push(...b.depthwise);
    a.keepsZero &&= b.keepsZero;
    a.fixed ??= b.fixed ?? (a.size === b.size ? undefined : 'values of different widths meet');
    this.#merged.set(b, a);
    return a;
  }

  #look(node: NodeProto): void {
    const flowing = node.input.filter((name) => name !== '' && !this.#graph.isConstant(name));
    const done =
      this.#conv(node) ||
      this.#dense(node) ||
      this.#normalization(node) ||
      this.#channelwise(node) ||
      this.#join(node, flowing);
    if (!done) this.#fix(flowing, `${node.opType} takes it`);
  }

  #start(value: string, size: number, kind: Channels['kind'], makers: Slices[]): void {
    const group = new ChannelGroup();
    group.size = size;
    group.makers.push(...makers);
    this.#groups.add(group);
    this.#of.set(value, { group, kind });
  }

  #conv(node: NodeProto): boolean {
    if (node.opType !== 'Conv') return false;
    const [input = '', kernel = '', bias = ''] = node.input;
    const weights = this.#graph.weights(kernel);
    if (weights === undefined || (bias !== '' && this.#graph.weights(bias) === undefined)) return false;
    const [out = 0, perGroup = 0] = weights.dims;
    const groups = intAttribute(node, 'group', 1);
    const channels = this.#channels(input);
    const own = [kernel, ...(bias === '' ? [] : [bias])].map((name) => ({ name, axis: 0, repeat: 1 }));
    const output = node.output[0] as string;
    if (groups === 1) {
      if (channels?.kind === 'second' && channels.group.size === perGroup)
        channels.group.takers.push({ name: kernel, axis: 1, repeat: 1 });
      else this.#fix([input], 'a convolution takes it in another shape');
      this.#start(output, out, 'second', own);
      return true;
    }
    const isDepthwise =
      perGroup === 1 && out === groups && channels?.kind === 'second' && channels.group.size === out;
    if (!isDepthwise) return false;
    channels.group.inside.push(...own);
    channels.group.depthwise.push(node);
    if (bias !== '') channels.group.keepsZero = false;
    this.#of.set(output, channels);
    return true;
  }

  #dense(node: NodeProto): boolean {
    if (node.opType !== 'MatMul' && node.opType !== 'Gemm') return false;
    const [input = '', kernel = '', bias = ''] = node.input;
    const weights = this.#graph.weights(kernel);
    if (weights?.dims.length !== 2 || intAttribute(node, 'transA', 0) === 1) return false;
    const isTurned = node.opType === 'Gemm' && intAttribute(node, 'transB', 0) === 1;
    const [inAxis, outAxis] = isTurned ? [1, 0] : [0, 1];
    const rows = weights.dims[inAxis] as number;
    const size = weights.dims[outAxis] as number;
    const channels = this.#channels(input);
    const repeat = channels === undefined ? 0 : rows / channels.group.size;
    const fits =
      channels !== undefined &&
      Number.isInteger(repeat) &&
      (channels.kind === 'flat' || (channels.kind === 'last' && repeat === 1));
    if (fits) channels.group.takers.push({ name: kernel, axis: inAxis, repeat });
    else this.#fix([input], 'a dense layer takes it in another shape');
    const makers = [{ name: kernel, axis: outAxis, repeat: 1 }];
    if (bias !== '') {
      const dims = this.#graph.weights(bias)?.dims;
      if (dims?.at(-1) !== size || dims.some((dim, axis) => axis < dims.length - 1 && dim !== 1))
        return false;
      makers.push({ name: bias, axis: dims.length - 1, repeat: 1 });
    }
    this.#start(node.output[0] as string, size, 'last', makers);
    return true;
  }

  #normalization(node: NodeProto): boolean {
    const channels = this.#channels(node.input[0] as string);
    if (node.opType !== 'BatchNormalization' || channels === undefined) return false;
    channels.group.inside.push(...node.input.slice(1).map((name) => ({ name, axis: 0, repeat: 1 })));
    channels.group.keepsZero = false;
    this.#of.set(node.output[0] as string, channels);
    return true;
  }

  #channelwise(node: NodeProto): boolean {
    const [input = ''] = node.input;
    const channels = this.#channels(input);
    if (channels === undefined) return false;
    const output = node.output[0] as string;
    if (node.opType === 'Flatten' && intAttribute(node, 'axis', 1) === 1) {
      this.#of.set(output, {
        group: channels.group,
        kind: channels.kind === 'second' ? 'flat' : channels.kind,
      });
      return true;
    }
    const keepsZero = channelwise[node.opType];
    if (keepsZero === undefined) return false;
    channels.group.keepsZero &&= keepsZero;
    this.#of.set(output, channels);
    return true;
  }

  /** Sums and products: of two values, or of a value and a constant for each channel. */
  #join(node: NodeProto, flowing: readonly string[]): boolean {
    if (!['Add', 'Sub', 'Mul', 'Div'].includes(node.opType) || node.input.length !== 2) return false;
    const all = flowing.map((value) => this.#channels(value));
    const [first, second] = all;
    if (first === undefined || all.includes(undefined)) return false;
    const output = node.output[0] as string;
    if (second !== undefined) {
      if (first.kind !== second.kind) return false;
      this.#of.set(output, { group: this.#merge(first.group, second.group), kind: first.kind });
      return true;
    }
    const constant = node.input.find((name) => name !== flowing[0]) as string;
    const dims = this.#graph.weights(constant)?.dims;
    if (dims === undefined) return false;
    const count = dims.reduce((product, dim) => product * dim, 1);
    if (count > 1) {
      const axis = first.kind === 'last' ? dims.length - 1 : dims.length - 3;
      if (count !== first.group.size || dims[axis] !== first.group.size) return false;
      first.group.inside.push({ name: constant, axis, repeat: 1 });
    }
    if (node.opType === 'Add' || node.opType === 'Sub') first.group.keepsZero = false;
    this.#of.set(output, first);
    return true;
  }
}
