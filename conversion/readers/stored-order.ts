import { ConversionError } from '../errors.ts';
import { type KerasDialect, type LayerConfig, layerName } from '../keras/model.ts';
import { hdf5Order, type VariableSlot, variableSlots } from '../keras/variables.ts';

/** `dense/kernel:0`, `sequential/dense/kernel` -> `kernel`. */
export function variableName(path: string): string {
  return (path.split('/').at(-1) as string).replace(/:\d+$/, '');
}

const known =
  /^(kernel|bias|gamma|beta|moving_mean|moving_variance|moving_stddev|renorm_mean|renorm_stddev|recurrent_kernel|embeddings|depthwise_kernel|pointwise_kernel|mean|variance)$/;

/** The direction of a Bidirectional's own layers, of a slot (`forward_layer`) or a path (`forward_gru`). */
const directionOf = (path: string, pattern: RegExp) => {
  const found = new Set(path.split('/').flatMap((part) => pattern.exec(part)?.[1] ?? []));
  return found.size === 1 ? [...found][0] : undefined;
};

/** Whether a variable of the file may be a slot's by its own name, and by the direction that its layer reads in. */
export function isNamedLike(slot: VariableSlot, path: string): boolean {
  const [expected, found] = [variableName(slot.name), variableName(path)];
  if (known.test(found) && found !== expected && expected !== `depthwise_${found}`) return false;
  // Only in a Bidirectional: elsewhere such a name is anybody's. Keras does not write down that one direction is frozen, and stores it last.
  const direction = directionOf(slot.name, /^(forward|backward)_layer$/);
  const named = directionOf(path, /^(forward|backward)_/);
  return direction === undefined || named === undefined || direction === named;
}

/** How many of the layers that lead to a slot are in each path, -1 where its name forbids it: Keras leaves out some, by how the model was built. */
function likenesses(slots: readonly VariableSlot[], paths: readonly string[]): readonly Int16Array[] {
  const parts = paths.map((path) => new Set(path.split('/')));
  return slots.map((slot) => {
    const names = slot.name.split('/').filter((part) => part !== 'layers');
    const count = (i: number) => names.filter((name) => (parts[i] as Set<string>).has(name)).length;
    return Int16Array.from(paths, (path, i) => (isNamedLike(slot, path) ? count(i) : -1));
  });
}

/** The order where each slot is most like one path alone, which no other can better. */
function plainOrder(
  slots: readonly VariableSlot[],
  likeness: readonly Int16Array[],
): VariableSlot[] | undefined {
  const order: VariableSlot[] = [];
  for (const [i, row] of likeness.entries()) {
    const best = Math.max(...row);
    const at = row.indexOf(best);
    if (best < 0 || row.lastIndexOf(best) !== at || order[at] !== undefined) return undefined;
    order[at] = slots[i] as VariableSlot;
  }
  const place = new Map(slots.map((slot, i) => [slot, i]));
  const follows = (slot: VariableSlot, i: number, all: readonly VariableSlot[]) =>
    i === 0 || (place.get(all[i - 1] as VariableSlot) as number) < (place.get(slot) as number);
  const breaks = order.findIndex((slot, i) => !follows(slot, i, order));
  const trained = order.slice(0, breaks < 0 ? order.length : breaks);
  const rest = order.slice(trained.length);
  // What is not trained may begin before the first break.
  while (trained.length > 0 && !canBeTrained(trained.at(-1) as VariableSlot))
    rest.unshift(trained.pop() as VariableSlot);
  const isLegal = trained.every(canBeTrained) && rest.every((slot) => !slot.trainable) && rest.every(follows);
  return isLegal ? order : undefined;
}

const canBeTrained = (slot: VariableSlot) => slot.trainable || slot.isFrozen;

/** One way to tell what is trained from what is not: slots of both in order, as a list with the last first. */
interface Way {
  readonly score: number;
  /** Whether another way is as good. */
  readonly isTied: boolean;
  readonly last: { readonly isTrained: boolean; readonly before: Way | undefined } | undefined;
}

const none: Way = { score: 0, isTied: false, last: undefined };

/**
 * The best way to lay slots on paths, the trained ones on the first `trained` of them.
 * @returns undefined where a name forbids every way
 */
function bestWay(
  slots: readonly VariableSlot[],
  likeness: readonly Int16Array[],
  trained: number,
): Way | undefined {
  let ways = new Map<number, Way>([[0, none]]);
  slots.forEach((slot, i) => {
    const next = new Map<number, Way>();
    const take = (before: Way, count: number, isTrained: boolean) => {
      const own = likeness[i]?.[isTrained ? count - 1 : trained + i - count] ?? -1;
      if (count > trained || own < 0) return;
      const score = before.score + own;
      const rival = next.get(count);
      if (rival !== undefined && rival.score > score) return;
      next.set(count, {
        score,
        isTied: before.isTied || rival?.score === score,
        last: { isTrained, before },
      });
    };
    for (const [count, way] of ways) {
      if (canBeTrained(slot)) take(way, count + 1, true);
      if (!slot.trainable) take(way, count, false);
    }
    ways = next;
  });
  return ways.get(trained);
}

function orderOf(way: Way, slots: readonly VariableSlot[]): VariableSlot[] {
  const isTrained: boolean[] = [];
  for (let at = way.last; at !== undefined; at = at.before?.last) isTrained.unshift(at.isTrained);
  return [...slots.filter((_, i) => isTrained[i]), ...slots.filter((_, i) => !isTrained[i])];
}

/** About a second's work; beyond it only names that are all different tell. */
const mostTries = 3e7;

/**
 * A layer's slots in the order of the file: trained first. What of a layer that is frozen inside of another Keras 3 writes among the
 * trained, by whether it was frozen before it had variables; the config does not tell, the names of the variables do.
 * @throws ConversionError CONVERSION_UNSUPPORTED where several orders are as good
 */
export function storedOrder(
  layer: LayerConfig,
  dialect: KerasDialect,
  paths: readonly string[],
): readonly VariableSlot[] {
  const slots = variableSlots(layer);
  const usual = hdf5Order(slots);
  const frozen = slots.filter(({ isFrozen }) => isFrozen).length;
  const isWhole = layer.config['trainable'] === false;
  if (dialect !== 'keras-3' || isWhole || frozen === 0 || slots.length !== paths.length) return usual;
  const sure = slots.filter(({ trainable }) => trainable).length;
  const likeness = likenesses(slots, paths);
  const plain = plainOrder(slots, likeness);
  if (plain !== undefined) return plain;
  if (slots.length ** 2 * frozen > mostTries) throw undecided(layer);
  const ways = Array.from({ length: frozen + 1 }, (_, more) => bestWay(slots, likeness, sure + more)).filter(
    (way) => way !== undefined,
  );
  const best = ways.filter(({ score }) => score === Math.max(...ways.map((way) => way.score)));
  const [first, ...others] = best.map((way) => orderOf(way, slots));
  if (first === undefined) return usual;
  const isSame = (order: readonly VariableSlot[]) => order.every((slot, i) => slot === first[i]);
  if (best.every(({ isTied }) => !isTied) && others.every(isSame)) return first;
  throw undecided(layer);
}

/** Save it as `.keras`, which has each variable at its layer's own place. */
export const undecided = (layer: LayerConfig) =>
  new ConversionError(
    'CONVERSION_UNSUPPORTED',
    `Layer '${layerName(layer)}' (${layer.class_name}) has frozen layers inside, and the file does not tell which of its variables are theirs; save the model as .keras`,
  );
