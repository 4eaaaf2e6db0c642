import { ellipsis, Slice } from '../../keras/graph.ts';
import type { Tensor } from './tensor.ts';

/** A value of a model: what a call of a layer gave, and which of it. */
export type Mention = readonly [layer: string, call: number, tensor: number];

/** Reads `[layer, call, tensor]`, in Keras 2's form or Keras 3's; undefined for anything else. */
function mention(value: unknown, names: ReadonlySet<string>): Mention | undefined {
  const history = (value as { config?: { keras_history?: unknown } } | null)?.config?.keras_history ?? value;
  if (!Array.isArray(history) || typeof history[0] !== 'string' || !names.has(history[0])) return undefined;
  return Number.isInteger(history[1]) && Number.isInteger(history[2])
    ? [history[0], history[1], history[2]]
    : undefined;
}

/** Every mention inside a value. */
export function mentions(value: unknown, names: ReadonlySet<string>): Mention[] {
  const found = mention(value, names);
  // Keras 2 keeps the other arguments behind the first.
  if (found !== undefined) return [found, ...(Array.isArray(value) ? mentions(value.slice(3), names) : [])];
  return value !== null && typeof value === 'object'
    ? Object.values(value).flatMap((item) => mentions(item, names))
    : [];
}

/** An argument as the config writes it, with values in the place of mentions. */
function argument(value: unknown, names: ReadonlySet<string>, read: (at: Mention) => Tensor): unknown {
  const found = mention(value, names);
  if (found !== undefined) return read(found);
  if (Array.isArray(value)) {
    if (value[0] === '_CONSTANT_VALUE') return value[2];
    return value.map((item) => argument(item, names, read));
  }
  if (value === null || typeof value !== 'object') return value;
  const fields = value as Record<string, unknown>;
  const config = (fields['config'] ?? {}) as Record<string, unknown>;
  if (fields['class_name'] === '__ellipsis__') return ellipsis;
  if (fields['class_name'] === '__slice__') return new Slice(config);
  if (fields['class_name'] === '__tuple__')
    return argument(fields['items'] ?? config['items'] ?? config['value'], names, read);
  if (String(fields['class_name']).startsWith('__')) return config['value'];
  if ('start' in fields && 'step' in fields) return new Slice(fields);
  return Object.fromEntries(Object.entries(fields).map(([key, item]) => [key, argument(item, names, read)]));
}

/** The arguments of one call, from either form of node. */
export function callOf(node: unknown, names: ReadonlySet<string>, read: (at: Mention) => Tensor) {
  const tensorsIn = (value: unknown): Tensor[] =>
    Array.isArray(value)
      ? value.flatMap(tensorsIn)
      : value !== null && typeof value === 'object' && 'data' in value
        ? [value as Tensor]
        : [];
  if (!Array.isArray(node)) {
    const { args, kwargs } = node as { args: unknown[]; kwargs?: Record<string, unknown> };
    const values = args.map((value) => argument(value, names, read));
    return {
      args: values,
      inputs: tensorsIn(values),
      kwargs: argument(kwargs ?? {}, names, read) as Record<string, unknown>,
    };
  }
  const entries = (typeof node[0] === 'string' ? [node] : node) as unknown[][];
  const values = entries.map((entry) => argument(entry.slice(0, 3), names, read));
  const kwargs = argument(entries[0]?.[3] ?? {}, names, read) as Record<string, unknown>;
  return { args: values.length === 1 ? values : [values], inputs: tensorsIn(values), kwargs };
}
