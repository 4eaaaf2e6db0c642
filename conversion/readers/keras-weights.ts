import { ConversionError } from '../errors.ts';
import { type LayerConfig, layerName, layersOf, type Weight } from '../keras/model.ts';
import { containerGroups, hdf5Order, type VariableSlot, variableSlots } from '../keras/variables.ts';
import { dequantized } from './dequantize.ts';
import { type Group, type Hdf5File, type Numbers, namesAttribute, textAttribute } from './hdf5-file.ts';

/** Variables by the name of the top-level layer that has them. */
export type LayerWeights = ReadonlyMap<string, readonly Weight[]>;

const corrupt = (what: string) => new ConversionError('CONVERSION_SOURCE_CORRUPT', what);

/** `dense/kernel:0`, `sequential/dense/kernel` -> `kernel`. */
export function variableName(path: string): string {
  return (path.split('/').at(-1) as string).replace(/:\d+$/, '');
}

const known =
  /^(kernel|bias|gamma|beta|moving_mean|moving_variance|recurrent_kernel|embeddings|depthwise_kernel|pointwise_kernel|mean|variance)$/;

/** Whether a variable of the file can be a slot's: of the same name, and below the layers of models inside that lead to it. */
function fits(slot: VariableSlot, path: string): boolean {
  const [expected, found] = [variableName(slot.name), variableName(path)];
  if (known.test(found) && found !== expected && expected !== `depthwise_${found}`) return false;
  const parts = path.split('/');
  return [...slot.name.matchAll(/(?<=layers\/)[^/]+/g)].every(([inner]) => parts.includes(inner));
}

/**
 * The slots in the order of the file. It goes by what is trained, and of a wrapper that was frozen Keras 3 writes either order, by how
 * that was done: then the names tell, where they are those of the layers.
 */
function storedSlots(layer: LayerConfig, paths: readonly string[]): readonly VariableSlot[] {
  const slots = variableSlots(layer);
  const usual = hdf5Order(slots);
  if (slots.length !== paths.length || usual.every((slot, i) => fits(slot, paths[i] as string))) return usual;
  const left = [...slots];
  const named = paths.flatMap((path) => {
    const at = left.findIndex((slot) => fits(slot, path));
    return at < 0 ? [] : left.splice(at, 1);
  });
  return named.length === slots.length ? named : usual;
}

/**
 * Names variables that are stored in Keras's order by the layer's own layout. Names in the file are no keys (Keras 2 and 3 differ, and
 * users rename layers), but where they are of the usual ones they must agree.
 */
export function inOrder(layer: LayerConfig, stored: readonly (Numbers & { name: string })[]): Weight[] {
  const slots = storedSlots(
    layer,
    stored.map(({ name }) => name),
  );
  // A class that is not known here keeps the file's names: a plug-in may know it.
  if (slots.length === 0) return stored.map((weight) => ({ ...weight, name: variableName(weight.name) }));
  if (slots.length !== stored.length) {
    throw corrupt(
      `Layer '${layerName(layer)}' (${layer.class_name}) has ${slots.length} variables, the file stores ${stored.length}`,
    );
  }
  return dequantized(
    layer,
    stored.map((weight, i) => {
      const name = (slots[i] as VariableSlot).name;
      const [expected, found] = [variableName(name), variableName(weight.name)];
      if (known.test(found) && found !== expected && expected !== `depthwise_${found}`) {
        throw corrupt(
          `Layer '${layerName(layer)}' (${layer.class_name}): where '${name}' is expected the file stores '${weight.name}'`,
        );
      }
      return asWeight(layer, name, weight);
    }),
  );
}

/** One-byte integers are weights only where the config says how they are scaled. */
function asWeight(layer: LayerConfig, name: string, { shape, data, isByte }: Numbers): Weight {
  const isQuantized = variableSlots(layer).some((slot) => slot.name === `${name}_scale`);
  if (isByte && !isQuantized) {
    throw new ConversionError(
      'CONVERSION_UNSUPPORTED_LAYER',
      `Layer '${layerName(layer)}' (${layer.class_name}): variable '${name}' is quantized in a way that is not known`,
    );
  }
  return { name, shape, data };
}

/** The layout of `model.save('x.h5')` and Keras 2's `save_weights`: attributes `layer_names` and `weight_names`. */
export function legacyWeights(file: Hdf5File, root: Group, model: LayerConfig): LayerWeights {
  const weights = new Map<string, Weight[]>();
  const byName = new Map(layersOf(model).map((layer) => [layerName(layer), layer]));
  for (const name of namesAttribute(root, 'layer_names')) {
    const group = file.group(root, name);
    if (group === undefined) throw corrupt(`The weights of layer '${name}' are missing`);
    const stored = namesAttribute(group, 'weight_names').map((path) => {
      const numbers = file.numbers(group, path);
      if (numbers === undefined) throw corrupt(`Variable '${path}' of layer '${name}' is missing`);
      return { name: path, ...numbers };
    });
    const layer = byName.get(name);
    if (layer === undefined && stored.length > 0) {
      throw corrupt(`The file stores weights of a layer '${name}', which its model does not have`);
    }
    if (layer !== undefined) weights.set(name, inOrder(layer, stored));
  }
  return weights;
}

/** A layer's own variables in Keras's order, named by their number. */
function numbered(file: Hdf5File, vars: Group): Weight[] {
  const weights: Weight[] = [];
  for (let index = 0; ; index++) {
    const numbers = file.numbers(vars, String(index));
    if (numbers === undefined) return weights;
    weights.push({ name: String(index), shape: numbers.shape, data: numbers.data });
  }
}

/** The layout of `.keras` and `.weights.h5`: `layers/<class>_<n>/.../vars/<i>`, in one file or several shards. */
export function groupedWeights(shards: readonly Hdf5File[], model: LayerConfig): LayerWeights {
  const find = (path: string): { vars: Group; file: Hdf5File } | undefined => {
    const found = shards.flatMap((file) => {
      const vars = file.group(file.root, `${path}/vars`);
      return vars === undefined ? [] : [{ vars, file }];
    });
    // Every shard has the group of a layer; the one with variables counts.
    return found.find(({ vars }) => vars.keys().length > 0) ?? found[0];
  };
  const groups = containerGroups(layersOf(model));
  const container = ['layers', '_layer_checkpoint_dependencies'].find((name) =>
    shards.some((file) => file.group(file.root, name) !== undefined),
  );
  return new Map(
    [...groups].map(([layer, group]) => {
      const path = `${container ?? 'layers'}/${group}`;
      const name = layerName(layer);
      const stored = find(path);
      const recorded = stored === undefined ? undefined : textAttribute(stored.vars, 'name');
      if (recorded !== undefined && recorded !== name) {
        throw corrupt(`The weights at '${path}' are of layer '${recorded}', the model has '${name}' there`);
      }
      const slots = variableSlots(layer);
      // A class that is not known here has its own variables by number: a plug-in may know it.
      if (slots.length === 0) return [name, stored === undefined ? [] : numbered(stored.file, stored.vars)];
      const weights = slots.map((slot): Weight => {
        const candidates = [slot.group, slot.group.replace(/(^|\/)(?=[a-z]+_dense$)/, '$1_')];
        const place = candidates
          .map((group) => find(`${path}/${group}`))
          .find((group) => group !== undefined);
        const numbers = place?.file.numbers(place.vars, String(slot.index));
        if (numbers === undefined) {
          throw corrupt(`Variable '${slot.name}' of layer '${name}' is missing (${path}/${slot.group})`);
        }
        return asWeight(layer, slot.name, numbers);
      });
      return [name, dequantized(layer, weights)];
    }),
  );
}
