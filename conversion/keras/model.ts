/** A layer as Keras writes it in a model's config; Keras 2, Keras 3 and TF.js agree on these keys. */
export interface LayerConfig {
  readonly class_name: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly name?: string;
  readonly inbound_nodes?: readonly unknown[];
  /** Keras 3: the shapes that the layer was built for. */
  readonly build_config?: Readonly<Record<string, unknown>>;
  /** Keras 3, `.keras` only: where the class lives; raw operations are in `keras.src.ops`. */
  readonly module?: string | null;
}

/** Who wrote the config: call indices, inbound nodes and some formulas differ between them. */
export type KerasDialect = 'keras-2' | 'keras-3' | 'tfjs';

/**
 * One variable of a layer, row-major. `name` is the path of attributes that leads to it (keras/variables.ts): `kernel`,
 * `forward_layer/cell/kernel` in a Bidirectional, `layers/<inner layer>/kernel` in a nested model.
 */
export interface Weight {
  readonly name: string;
  readonly shape: readonly number[];
  /** Of a large variable: read from the source each time that they are asked for, so that nobody holds what is not in use. */
  readonly data: Float32Array;
  /** The variable itself, by whatever name; default: this object. */
  readonly variable?: object;
}

/** A variable by a name; its numbers are not asked for. */
export function named(name: string, weight: Omit<Weight, 'name'>): Weight {
  return {
    name,
    shape: weight.shape,
    variable: variableOf(weight),
    get data() {
      return weight.data;
    },
  };
}

/** What is the same for a variable by all of its names. */
export const variableOf = (weight: Omit<Weight, 'name'>): object => weight.variable ?? weight;

/** A trained model as read from any of Keras's formats. */
export interface KerasModel {
  readonly kind: 'keras';
  readonly dialect: KerasDialect;
  /** Sequential or Functional. */
  readonly config: LayerConfig;
  /** By layer name, in the order the layer made them. */
  readonly weights: ReadonlyMap<string, readonly Weight[]>;
}

/** The name of a layer: inside its config everywhere, beside it in Functional models. */
export function layerName(layer: LayerConfig): string {
  return String(layer.config['name'] ?? layer.name ?? layer.class_name);
}

/** A row for a class of the user's own; Keras may write the package that it is registered in before its name, as in `shop>Ramp`. */
export function customRow<T>(rows: Readonly<Record<string, T>>, className: string): T | undefined {
  const bare = className.slice(className.lastIndexOf('>') + 1);
  const name = [className, bare].find((each) => Object.hasOwn(rows, each));
  return name === undefined ? undefined : rows[name];
}

/** Layers of a Sequential or Functional config, in file order. Very old Keras wrote a Sequential's config as a bare list. */
export function layersOf(model: LayerConfig): readonly LayerConfig[] {
  const layers = Array.isArray(model.config) ? model.config : model.config['layers'];
  return (layers ?? []) as readonly LayerConfig[];
}

/** `[None, 784]` as `[-1, 784]`; undefined where the layer does not say. */
export function declaredShape(config: Readonly<Record<string, unknown>>): readonly number[] | undefined {
  const shape = config['batch_shape'] ?? config['batch_input_shape'] ?? config['batchInputShape'];
  if (!Array.isArray(shape)) return undefined;
  return shape.map((size) => (typeof size === 'number' ? size : -1));
}

/** A dtype is a string in Keras 2 and may be a DTypePolicy object in Keras 3. */
export function dtypeName(config: Readonly<Record<string, unknown>>): string {
  const dtype = config['dtype'];
  if (typeof dtype === 'string') return dtype;
  const policy = (dtype as { config?: { name?: unknown } } | undefined)?.config?.name;
  return typeof policy === 'string' ? policy : 'float32';
}

/** The variables under `prefix/`, by the rest of their names. */
export function weightsUnder(weights: readonly Weight[], prefix: string): Weight[] {
  const start = `${prefix}/`;
  return weights
    .filter((weight) => weight.name.startsWith(start))
    .map((weight) => named(weight.name.slice(start.length), weight));
}

/** `int8`, ... where `model.quantize(mode)` changed the layer; undefined for floating point. */
export function quantizationOf(config: Readonly<Record<string, unknown>>): string | undefined {
  const policy = config['dtype'] as { class_name?: string; config?: { mode?: string; name?: string } } | null;
  if (typeof policy !== 'object' || policy === null) {
    return typeof policy === 'string' ? /^(int8|int4|float8)(?=_from_)/.exec(policy)?.[1] : undefined;
  }
  return policy.class_name?.startsWith('Quantized') ? (policy.config?.mode ?? 'an unknown mode') : undefined;
}
