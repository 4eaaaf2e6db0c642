import { isModel } from './graph.ts';
import { type LayerConfig, layerName, layersOf, quantizationOf } from './model.ts';

/** One variable that a layer has, in the order in which Keras makes them. */
export interface VariableSlot {
  /** Path of attributes: `kernel`, `cell/kernel`, `layers/<inner layer>/bias`. */
  readonly name: string;
  /** Keras's HDF5 writes a layer's trainable variables first, then the others. */
  readonly trainable: boolean;
  /** Not trained because a layer was frozen, its own or one around it; by nature it can be. */
  readonly isFrozen: boolean;
  /** `.keras`: the group below the layer's own (`cell`, `layers/dense_1`), and the number in its `vars`. */
  readonly group: string;
  readonly index: number;
}

type Config = Readonly<Record<string, unknown>>;

/** A layer's own variables in order, and the layers inside it by attribute. */
interface Layout {
  readonly own?: (config: Config) => readonly string[];
  readonly children?: (layer: LayerConfig) => readonly (readonly [attribute: string, child: LayerConfig])[];
}

const when = (condition: unknown, ...names: string[]) => (condition ? names : []);
const bias = (config: Config) => when(config['use_bias'] !== false, 'bias');
const withKernel: Layout = { own: (config) => ['kernel', ...bias(config)] };
const depthwise: Layout = { own: (config) => ['depthwise_kernel', ...bias(config)] };
const separable: Layout = { own: (config) => ['depthwise_kernel', 'pointwise_kernel', ...bias(config)] };
const scaled: Layout = {
  own: (config) => [...when(config['scale'] !== false, 'gamma'), ...when(config['center'] !== false, 'beta')],
};
const cell: Layout = { own: (config) => ['kernel', 'recurrent_kernel', ...bias(config)] };
const inner = (layer: LayerConfig, key: string) => layer.config[key] as LayerConfig;
const projection = (layer: LayerConfig, name: string): readonly [string, LayerConfig] => [
  name,
  { class_name: 'EinsumDense', config: { name, use_bias: layer.config['use_bias'] } },
];
const attention: Layout = {
  children: (layer) =>
    [
      'query_dense',
      'key_dense',
      ...when(layer.config['use_gate'], 'gate_dense'),
      'value_dense',
      'output_dense',
    ].map((name) => projection(layer, name)),
};
const recurrent: Layout = {
  children: (layer) => [['cell', { class_name: `${layer.class_name}Cell`, config: layer.config }]],
};

const layouts: Record<string, Layout> = {
  AdditiveAttention: { own: (config) => when(config['use_scale'] !== false, 'scale') },
  Attention: {
    own: (config) => [
      ...when(config['use_scale'], 'scale'),
      ...when(config['score_mode'] === 'concat', 'concat_score_weight'),
    ],
  },
  BatchNormalization: {
    own: (config) => [
      ...(scaled.own?.(config) ?? []),
      'moving_mean',
      'moving_variance',
      ...when(config['renorm'] === true, 'moving_stddev', 'renorm_mean', 'renorm_stddev'),
    ],
  },
  Bidirectional: {
    children: (layer) => {
      const forward = inner(layer, 'layer');
      return [
        ['forward_layer', forward],
        ['backward_layer', (layer.config['backward_layer'] ?? forward) as LayerConfig],
      ];
    },
  },
  Conv1D: withKernel,
  Conv1DTranspose: withKernel,
  Conv2D: withKernel,
  Conv2DTranspose: withKernel,
  Conv3D: withKernel,
  Conv3DTranspose: withKernel,
  ConvLSTM1D: recurrent,
  ConvLSTM1DCell: cell,
  ConvLSTM2D: recurrent,
  ConvLSTM2DCell: cell,
  ConvLSTM3D: recurrent,
  ConvLSTM3DCell: cell,
  Dense: withKernel,
  DepthwiseConv1D: depthwise,
  DepthwiseConv2D: depthwise,
  EinsumDense: {
    own: (config) => [
      'kernel',
      ...when((config['bias_axes'] ?? null) !== null || config['use_bias'] === true, 'bias'),
      ...when(!('bias_axes' in config) && config['use_bias'] === undefined, 'bias'),
    ],
  },
  Embedding: { own: () => ['embeddings'] },
  GRU: recurrent,
  GRUCell: cell,
  GroupNormalization: scaled,
  GroupQueryAttention: attention,
  GroupedQueryAttention: attention,
  LSTM: recurrent,
  LSTMCell: cell,
  LayerNormalization: {
    own: (config) =>
      scaled.own?.(config['rms_scaling'] === true ? { ...config, center: false } : config) ?? [],
  },
  LayerScale: { own: () => ['gamma'] },
  LocallyConnected1D: withKernel,
  LocallyConnected2D: withKernel,
  MultiHeadAttention: attention,
  Normalization: {
    own: (config) => when((config['mean'] ?? null) === null, 'mean', 'variance', 'count'),
  },
  PReLU: { own: () => ['alpha'] },
  RMSNormalization: { own: () => ['scale'] },
  RNN: { children: (layer) => [['cell', inner(layer, 'cell')]] },
  SeparableConv1D: separable,
  SeparableConv2D: separable,
  SimpleRNN: recurrent,
  SimpleRNNCell: cell,
  SpectralNormalization: { own: () => ['vector_u'], children: (layer) => [['layer', inner(layer, 'layer')]] },
  StackedRNNCells: {
    children: (layer) =>
      (layer.config['cells'] as LayerConfig[]).map((child, index) => [`cells/${index}`, child]),
  },
  TimeDistributed: { children: (layer) => [['layer', inner(layer, 'layer')]] },
};

const neverTrainable = new Set([
  ...['moving_mean', 'moving_variance', 'moving_stddev', 'renorm_mean', 'renorm_stddev'],
  ...['mean', 'variance', 'count', 'vector_u'],
]);

/** Classes that Keras exports by another name than their own, which `.keras` numbers its groups by. */
const ownNames: Readonly<Record<string, string>> = { GroupQueryAttention: 'GroupedQueryAttention' };

/** `MultiHeadAttention` -> `multi_head_attention`, `Conv2D` -> `conv2d`: Keras's `to_snake_case`. */
export function snakeCase(className: string): string {
  return className
    .replace(/\W+/g, '')
    .replace(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase();
}

/**
 * The groups of a container of layers in a `.keras` file: by class and number, whatever the layers' own names are. Keras 3's raw
 * operations are in the config, but not in the container.
 */
export function containerGroups(layers: readonly LayerConfig[]): Map<LayerConfig, string> {
  const counts = new Map<string, number>();
  const contained = layers.filter(({ module }) => !(module ?? '').includes('.ops'));
  return new Map(
    contained.map((layer) => {
      const name = snakeCase(ownNames[layer.class_name] ?? layer.class_name);
      const count = counts.get(name) ?? 0;
      counts.set(name, count + 1);
      return [layer, count === 0 ? name : `${name}_${count}`];
    }),
  );
}

function childrenOf(layer: LayerConfig): readonly (readonly [string, LayerConfig, string])[] {
  if (isModel(layer)) {
    const inside = layersOf(layer);
    const groups = containerGroups(inside);
    return inside.map((child) => [`layers/${layerName(child)}`, child, `layers/${groups.get(child)}`]);
  }
  const children = Object.hasOwn(layouts, layer.class_name)
    ? (layouts[layer.class_name]?.children?.(layer) ?? [])
    : [];
  const stacked = containerGroups(
    children.filter(([name]) => name.startsWith('cells/')).map(([, child]) => child),
  );
  return children.map(([name, child]) => [
    name,
    child,
    stacked.has(child) ? `cells/${stacked.get(child)}` : name,
  ]);
}

/** Of a quantized layer the first variable is int8 and followed, after the others, by its scale. */
function ownVariables(layer: LayerConfig): readonly string[] {
  const own = Object.hasOwn(layouts, layer.class_name)
    ? (layouts[layer.class_name]?.own?.(layer.config) ?? [])
    : [];
  return quantizationOf(layer.config) === undefined || own.length === 0 ? own : [...own, `${own[0]}_scale`];
}

/** Every variable of a layer with all that is inside it, in Keras's order. Layers that are not known have none. */
export function variableSlots(layer: LayerConfig, trainable = true): VariableSlot[] {
  const isTrainable = trainable && layer.config['trainable'] !== false;
  const own = ownVariables(layer);
  const isQuantized = quantizationOf(layer.config) !== undefined;
  return [
    ...own.map((name, index) => {
      const canTrain = !neverTrainable.has(name) && !(isQuantized && name !== 'bias');
      return {
        name,
        trainable: isTrainable && canTrain,
        isFrozen: !isTrainable && canTrain,
        group: '',
        index,
      };
    }),
    ...childrenOf(layer).flatMap(([name, child, group]) =>
      variableSlots(child, isTrainable).map((slot) => ({
        ...slot,
        name: `${name}/${slot.name}`,
        group: slot.group === '' ? group : `${group}/${slot.group}`,
      })),
    ),
  ];
}

/** The same in the order of Keras's HDF5: trainable first. */
export function hdf5Order(slots: readonly VariableSlot[]): VariableSlot[] {
  return [...slots.filter((slot) => slot.trainable), ...slots.filter((slot) => !slot.trainable)];
}
