import type { TensorSpec } from '../../../conversion/manifest/index.ts';
import { badInput } from '../../dataplane.ts';
import type { Servable } from '../../engine/servable.ts';
import { allocate, countOf, type TensorData, type TensorValue } from '../../engine/tensor.ts';

/** Something that a JSON value can be written as into a tensor's storage; the reason where it cannot. */
function scalarOf(dtype: TensorSpec['dtype'], value: unknown): number | bigint | string | undefined {
  if (dtype === 'string') {
    if (typeof value === 'string') return value;
    const b64 = (value as { b64?: unknown } | null)?.b64;
    return typeof b64 === 'string' ? Buffer.from(b64, 'base64').toString('utf8') : undefined;
  }
  if (dtype === 'bool') return typeof value === 'boolean' ? Number(value) : undefined;
  if (typeof value !== 'number') return undefined;
  if (dtype === 'int64' || dtype === 'uint64') return Number.isInteger(value) ? BigInt(value) : undefined;
  return dtype.startsWith('float') || Number.isInteger(value) ? value : undefined;
}

const describe = (value: unknown): string =>
  value === null
    ? 'null'
    : Array.isArray(value)
      ? 'a list'
      : typeof value === 'object'
        ? 'an object'
        : `${typeof value} ${JSON.stringify(value)}`;

/** Nested lists as a shape; `{"b64": ...}` is a value, not a level. */
function shapeOf(value: unknown): number[] {
  const shape: number[] = [];
  for (let level = value; Array.isArray(level); level = level[0]) shape.push(level.length);
  return shape;
}

/**
 * A nested list as a tensor.
 * @throws ServingError SERVING_BAD_INPUT saying where a list is ragged or a value is of another type.
 */
export function tensorFromNested(servable: Servable, spec: TensorSpec, value: unknown): TensorValue {
  const shape = shapeOf(value);
  const data = allocate(spec.dtype, countOf(shape));
  let at = 0;
  const fill = (level: unknown, depth: number): void => {
    if (depth === shape.length) {
      const scalar = scalarOf(spec.dtype, level);
      if (scalar === undefined) {
        throw badInput(
          servable,
          `Input '${spec.name}': value ${at} is not of expected type: ${spec.dtype}, got ${describe(level)}`,
        );
      }
      (data as (typeof scalar)[])[at++] = scalar;
      return;
    }
    if (!Array.isArray(level) || level.length !== shape[depth]) {
      const got = Array.isArray(level) ? `a list of ${level.length}` : describe(level);
      throw badInput(
        servable,
        `Input '${spec.name}': expected shape [${spec.shape}], and lists of equal length: at depth ${depth} one has ${shape[depth]} values, another is ${got}`,
      );
    }
    for (const item of level) fill(item, depth + 1);
  };
  fill(value, 0);
  return { name: spec.name, dtype: spec.dtype, shape, data };
}

/**
 * The source's form: flat (or nested) data of one tensor, `k` times a row for `k` rows.
 * @throws ServingError SERVING_BAD_INPUT
 */
export function tensorFromFlat(
  servable: Servable,
  spec: TensorSpec,
  value: unknown,
  shape: unknown,
): TensorValue {
  if (!Array.isArray(value))
    throw badInput(servable, `Input '${spec.name}': data is ${describe(value)}, expected a list`);
  const tensor = tensorFromNested(servable, spec, value.flat(Number.POSITIVE_INFINITY));
  const count = tensor.data.length;
  if (Array.isArray(shape)) return { ...tensor, shape: shape.map(Number) };
  const nestedShape = shapeOf(value);
  if (nestedShape.length > 1) return { ...tensor, shape: nestedShape };
  const rest = spec.shape.slice(1);
  const rowSize = rest.every((size) => size >= 0) ? countOf(rest) : undefined;
  if (rowSize === undefined || rowSize === 0 || count % rowSize !== 0 || count === 0) {
    throw badInput(
      servable,
      `Input '${spec.name}': expected shape [${spec.shape}], so ${rowSize ?? 'a shape and as many'} numbers a row, got ${count}`,
    );
  }
  return { ...tensor, shape: spec.shape[0] === -1 ? [count / rowSize, ...rest] : [...spec.shape] };
}

/** JSON has no bigint and, in TensorFlow Serving's form, strings named `*_bytes` are base64. */
function plain(output: TensorValue, data: TensorData, index: number): unknown {
  const value = data[index];
  if (output.dtype === 'bool') return value === 1;
  if (typeof value === 'bigint') return Number(value);
  if (output.dtype === 'string' && output.name.endsWith('_bytes')) {
    return { b64: Buffer.from(String(value), 'utf8').toString('base64') };
  }
  return value;
}

/** A tensor as nested lists, from axis `depth` on, starting at `offset`. */
export function nestedFromTensor(output: TensorValue, depth = 0, offset = 0): unknown {
  const size = output.shape[depth];
  if (size === undefined) return plain(output, output.data, offset);
  const stride = countOf(output.shape.slice(depth + 1));
  return Array.from({ length: size }, (_, i) => nestedFromTensor(output, depth + 1, offset + i * stride));
}
