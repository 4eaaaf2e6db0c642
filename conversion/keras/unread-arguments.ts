import type { KerasDialect } from './model.ts';

type Fields = Readonly<Record<string, unknown>>;

/** What says how a result is called, stored or checked, not what it is. */
const telling = new Set(['function', 'name', 'num', 'stable', 'trainable', 'validate_indices']);
/** What these are where they are left out. */
const usual: Fields = {
  alpha: 1,
  batch_dims: 0,
  beta: 1,
  decimals: 0,
  fill_mode: 'constant',
  off_value: 0,
  on_value: 1,
  training: 0,
};

const isNothing = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === false ||
  (Array.isArray(value) && value.every(isNothing));

const changesNothing = (key: string, value: unknown): boolean =>
  isNothing(value) || telling.has(key) || usual[key] === value;

/** Those of a call's arguments that change what is computed, such as Keras's `training=True`, beside the ones that were `read`. */
export const unreadArguments = (fields: Fields, read: ReadonlySet<PropertyKey> = new Set()): string[] =>
  Object.keys(fields).filter((key) => !read.has(key) && !changesNothing(key, fields[key]));

/**
 * Arguments of a layer that Keras 3 writes down by itself: masks that the tensors carry anyway, and `training`, which the model's own, false
 * where it predicts, overrides (Functional.call). In Keras 2 both are the user's word.
 */
export const writtenByKeras = (dialect: KerasDialect): readonly string[] =>
  dialect === 'keras-3' ? ['mask', 'training'] : [];

/** An object that tells which of its keys were read. */
export function watched<T extends object>(source: T): { seen: T; read: ReadonlySet<PropertyKey> } {
  const read = new Set<PropertyKey>();
  const seen = new Proxy(source, {
    get(target, key) {
      read.add(key);
      return Reflect.get(target, key);
    },
    ownKeys(target) {
      for (const key of Reflect.ownKeys(target)) read.add(key);
      return Reflect.ownKeys(target);
    },
  });
  return { seen, read };
}
