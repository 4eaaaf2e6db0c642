import { ConversionError } from '../errors.ts';
import {
  type KerasDialect,
  type LayerConfig,
  layerName,
  layersOf,
  named,
  type Weight,
} from '../keras/model.ts';
import { containerGroups, type VariableSlot, variableSlots } from '../keras/variables.ts';
import { dequantized } from './dequantize.ts';
import { type Group, type Hdf5File, type Numbers, namesAttribute, textAttribute } from './hdf5-file.ts';
import { isNamedLike, storedOrder, undecided, variableName } from './stored-order.ts';

/** Variables by the name of the top-level layer that has them. */
export type LayerWeights = ReadonlyMap<string, readonly Weight[]>;

/** Numbers of a file, and what it calls them. */
interface StoredNumbers {
  readonly name: string;
  readonly numbers: Numbers;
}

const corrupt = (what: string) => new ConversionError('CONVERSION_SOURCE_CORRUPT', what);

/**
 * Names variables that are stored in Keras's order by the layer's own layout. Names in the file are no keys (Keras 2 and 3 differ, and
 * users rename layers), but where they are of the usual ones they must agree.
 */
export function inOrder(
  layer: LayerConfig,
  dialect: KerasDialect,
  stored: readonly StoredNumbers[],
): Weight[] {
  const slots = storedOrder(
    layer,
    dialect,
    stored.map(({ name }) => name),
  );
  // A class that is not known here keeps the file's names: a plug-in may know it.
  if (slots.length === 0) return stored.map(({ name, numbers }) => named(variableName(name), numbers));
  if (stored.some(({ name }) => variableName(name).startsWith('lora_'))) {
    throw new ConversionError(
      'CONVERSION_UNSUPPORTED',
      `Layer '${layerName(layer)}' (${layer.class_name}) has LoRA weights (enable_lora), which .h5 keeps beside what they change; save the model as .keras, where Keras merges them`,
    );
  }
  if (slots.length !== stored.length) {
    throw corrupt(
      `Layer '${layerName(layer)}' (${layer.class_name}) has ${slots.length} variables, the file stores ${stored.length}`,
    );
  }
  return dequantized(
    layer,
    stored.map((weight, i) => {
      const slot = slots[i] as VariableSlot;
      const { name } = slot;
      if (!isNamedLike(slot, weight.name)) {
        // A part that was frozen by itself is stored last, and the config may not say so.
        if (isReordered(slots, stored)) throw undecided(layer);
        throw corrupt(
          `Layer '${layerName(layer)}' (${layer.class_name}): where '${name}' is expected the file stores '${weight.name}'`,
        );
      }
      return asWeight(layer, name, weight.numbers);
    }),
  );
}

/** Whether the file has the layer's very variables, but not in this order. */
function isReordered(slots: readonly VariableSlot[], stored: readonly { name: string }[]): boolean {
  const namesOf = (all: readonly { name: string }[]) =>
    all
      .map(({ name }) => variableName(name))
      .sort()
      .join();
  return namesOf(slots) === namesOf(stored);
}

/** One-byte integers are weights only where the config says how they are scaled. */
function asWeight(layer: LayerConfig, name: string, numbers: Numbers): Weight {
  const isQuantized = variableSlots(layer).some((slot) => slot.name === `${name}_scale`);
  if (numbers.isByte && !isQuantized) {
    throw new ConversionError(
      'CONVERSION_UNSUPPORTED_LAYER',
      `Layer '${layerName(layer)}' (${layer.class_name}): variable '${name}' is quantized in a way that is not known`,
    );
  }
  return named(name, numbers);
}

/** The layout of `model.save('x.h5')` and Keras 2's `save_weights`: attributes `layer_names` and `weight_names`. */
export function legacyWeights(
  file: Hdf5File,
  root: Group,
  model: LayerConfig,
  dialect: KerasDialect,
): LayerWeights {
  const weights = new Map<string, Weight[]>();
  const byName = new Map(layersOf(model).map((layer) => [layerName(layer), layer]));
  for (const name of namesAttribute(root, 'layer_names')) {
    const group = file.group(root, name);
    if (group === undefined) throw corrupt(`The weights of layer '${name}' are missing`);
    const stored = namesAttribute(group, 'weight_names').map((path) => {
      const numbers = file.numbers(group, path);
      if (numbers === undefined) throw corrupt(`Variable '${path}' of layer '${name}' is missing`);
      return { name: path, numbers };
    });
    const layer = byName.get(name);
    if (layer === undefined && stored.length > 0) {
      throw corrupt(`The file stores weights of a layer '${name}', which its model does not have`);
    }
    if (layer !== undefined) weights.set(name, inOrder(layer, dialect, stored));
  }
  return weights;
}

/** A layer's own variables in Keras's order, named by their number. */
function numbered(file: Hdf5File, vars: Group): Weight[] {
  const weights: Weight[] = [];
  for (let index = 0; ; index++) {
    const numbers = file.numbers(vars, String(index));
    if (numbers === undefined) return weights;
    weights.push(named(String(index), numbers));
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
