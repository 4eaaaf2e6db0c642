import type { DataType } from '../manifest/index.ts';
import { dataOf, elementTypes, type SymbolicTensor } from '../onnx/index.ts';
import { type LayerContext, unsupported } from './layer.ts';

type Shape = readonly number[];

/** `-1` as the last axis of a rank, and so on. */
export const axisOf = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/** The product; -1 where a size is known at run time only. */
export const sizeOf = (shape: Shape): number =>
  shape.some((dim) => dim < 0) ? -1 : shape.reduce((product, dim) => product * dim, 1);

/** NumPy's broadcasting. @throws Error where the shapes do not fit */
export function broadcast(...shapes: readonly Shape[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, i) => {
    const dims = shapes.map((shape) => shape[i - rank + shape.length] ?? 1);
    const fixed =
      dims.find((dim) => dim > 1) ?? (dims.includes(-1) ? -1 : (dims.find((dim) => dim !== 1) ?? 1));
    return fixed;
  });
}

/** A scalar constant of the type of what it meets. */
export function scalar(layer: LayerContext, value: number, dtype: DataType = 'float32'): SymbolicTensor {
  return layer.graph.constant(`${layer.name}/value`, dtype, [], dataOf(dtype, [value]));
}

/** A node whose output has the shape of the broadcast inputs. */
export function elementwise(
  layer: LayerContext,
  op: string,
  inputs: readonly SymbolicTensor[],
  dtype?: DataType,
  attributes: Readonly<Record<string, bigint>> = {},
): SymbolicTensor {
  const shape = broadcast(...inputs.map((input) => input.shape));
  const output = {
    name: `${layer.name}/${op.toLowerCase()}`,
    shape,
    ...(dtype === undefined ? {} : { dtype }),
  };
  return layer.graph.node(op, inputs, output, attributes);
}

/** The larger or smaller of two. Of int64 the runtime's Max and Min compare the lower halves only (1.30), of 16 bits it has none. */
export function extremeOf(
  layer: LayerContext,
  op: 'Max' | 'Min',
  [a, b]: readonly SymbolicTensor[],
): SymbolicTensor {
  const given = a!.dtype;
  if (given === 'int16' || given === 'uint16') {
    const long = [a!, b!].map((x) => cast(layer, x, 'int32'));
    return cast(layer, elementwise(layer, op, long), given);
  }
  if (given !== 'int64') return elementwise(layer, op, [a!, b!]);
  const isFirst = elementwise(layer, op === 'Max' ? 'Greater' : 'Less', [a!, b!], 'bool');
  return elementwise(layer, 'Where', [isFirst, a!, b!], 'int64');
}

/** Any element type to any other. */
export function cast(layer: LayerContext, x: SymbolicTensor, dtype: DataType): SymbolicTensor {
  if (x.dtype === dtype) return x;
  const output = { name: `${layer.name}/cast`, shape: x.shape, dtype };
  return layer.graph.node('Cast', [x], output, { to: BigInt(elementTypes[dtype]) });
}

export function transpose(layer: LayerContext, x: SymbolicTensor, perm: readonly number[]): SymbolicTensor {
  if (perm.every((axis, i) => axis === i)) return x;
  const shape = perm.map((axis) => x.shape[axis] as number);
  return layer.graph.node(
    'Transpose',
    [x],
    { name: `${layer.name}/transpose`, shape },
    { perm: perm.map(BigInt) },
  );
}

export function unsqueeze(layer: LayerContext, x: SymbolicTensor, axes: readonly number[]): SymbolicTensor {
  const rank = x.shape.length + axes.length;
  const at = axes.map((axis) => axisOf(axis, rank));
  const rest = [...x.shape];
  const shape = Array.from({ length: rank }, (_, i) => (at.includes(i) ? 1 : (rest.shift() as number)));
  return layer.graph.node('Unsqueeze', [x, layer.graph.int64s(`${layer.name}/axes`, at)], {
    name: `${layer.name}/unsqueeze`,
    shape,
  });
}

export function squeeze(layer: LayerContext, x: SymbolicTensor, axes: readonly number[]): SymbolicTensor {
  const at = axes.map((axis) => axisOf(axis, x.shape.length));
  const shape = x.shape.filter((_, i) => !at.includes(i));
  return layer.graph.node('Squeeze', [x, layer.graph.int64s(`${layer.name}/axes`, at)], {
    name: `${layer.name}/squeeze`,
    shape,
  });
}

/** `shape` of a value at run time, int64 [rank]. */
export function shapeOf(layer: LayerContext, x: SymbolicTensor): SymbolicTensor {
  return layer.graph.node('Shape', [x], {
    name: `${layer.name}/shape`,
    shape: [x.shape.length],
    dtype: 'int64',
  });
}

/** One size of a value at run time, int64 [1]. */
export function dimOf(layer: LayerContext, x: SymbolicTensor, axis: number): SymbolicTensor {
  return layer.graph.node('Gather', [shapeOf(layer, x), layer.graph.int64s(`${layer.name}/axis`, [axis])], {
    name: `${layer.name}/dim`,
    shape: [1],
  });
}

/** int64 vectors, one after the other. */
export function joined(layer: LayerContext, parts: readonly (number | SymbolicTensor)[]): SymbolicTensor {
  const tensors = parts.map((part) =>
    typeof part === 'number' ? layer.graph.int64s(`${layer.name}/size`, [part]) : part,
  );
  return layer.graph.node(
    'Concat',
    tensors,
    { name: `${layer.name}/sizes`, shape: [parts.length] },
    { axis: 0n },
  );
}

/**
 * Reshapes. An entry is a size, `{copy: axis}` for the size of that axis of the input, or -1: known at run time. At most one -1 can be
 * found out by counting.
 */
export function reshape(
  layer: LayerContext,
  x: SymbolicTensor,
  target: readonly (number | { readonly copy: number })[],
): SymbolicTensor {
  const shape = target.map((entry) => (typeof entry === 'number' ? entry : (x.shape[entry.copy] as number)));
  const open = shape.filter((dim) => dim < 0).length;
  const output = { name: `${layer.name}/reshape`, shape };
  if (open <= 1) {
    return layer.graph.node('Reshape', [x, layer.graph.int64s(`${layer.name}/shape`, shape)], output);
  }
  const parts = target.map((entry, i) =>
    (shape[i] as number) >= 0 || typeof entry === 'number'
      ? (shape[i] as number)
      : dimOf(layer, x, entry.copy),
  );
  if (parts.filter((part) => part === -1).length > 1) {
    throw unsupported(layer, `the shape [${shape}] leaves more than one size open`);
  }
  return layer.graph.node('Reshape', [x, joined(layer, parts)], output);
}

/** `x[..., starts:ends:steps, ...]` along some axes; ends beyond the end are cut. */
export function slice(
  layer: LayerContext,
  x: SymbolicTensor,
  ranges: readonly { axis: number; start: number; end: number; step?: number }[],
): SymbolicTensor {
  if (ranges.length === 0) return x;
  const shape = [...x.shape];
  for (const { axis, start, end, step = 1 } of ranges) {
    const size = shape[axis] as number;
    if (size < 0) continue;
    const clamp = (value: number, low: number, high: number) =>
      Math.min(Math.max(value < 0 ? value + size : value, low), high);
    shape[axis] =
      step > 0
        ? Math.max(0, Math.ceil((clamp(end, 0, size) - clamp(start, 0, size)) / step))
        : Math.max(0, Math.ceil((clamp(end, -1, size - 1) - clamp(start, -1, size - 1)) / step));
  }
  const list = (name: string, values: readonly number[]) =>
    layer.graph.int64s(`${layer.name}/${name}`, values);
  return layer.graph.node(
    'Slice',
    [
      x,
      list(
        'starts',
        ranges.map((range) => range.start),
      ),
      list(
        'ends',
        ranges.map((range) => range.end),
      ),
      list(
        'axes',
        ranges.map((range) => range.axis),
      ),
      list(
        'steps',
        ranges.map((range) => range.step ?? 1),
      ),
    ],
    { name: `${layer.name}/slice`, shape },
  );
}

/** "To the end" and, going backwards, "to before the start" of a slice. */
export const farEnd = Number.MAX_SAFE_INTEGER;
export const beforeStart = -Number.MAX_SAFE_INTEGER;

export function concat(layer: LayerContext, inputs: readonly SymbolicTensor[], axis: number): SymbolicTensor {
  const first = inputs[0] as SymbolicTensor;
  const sizes = inputs.map((input) => input.shape[axis] as number);
  const shape = first.shape.map((dim, i) =>
    i !== axis
      ? (inputs.map((input) => input.shape[i] as number).find((size) => size >= 0) ?? dim)
      : sizes.some((size) => size < 0)
        ? -1
        : sizes.reduce((a, b) => a + b, 0),
  );
  return layer.graph.node('Concat', inputs, { name: `${layer.name}/concat`, shape }, { axis: BigInt(axis) });
}

/** Every part of an axis so many times, one after the other. @param indices what the constant is called that says so */
export function repeated(
  layer: LayerContext,
  x: SymbolicTensor,
  axis: number,
  times: number,
  indices: string,
): SymbolicTensor {
  const size = (x.shape[axis] as number) * times;
  const places = Array.from({ length: size }, (_, i) => Math.floor(i / times));
  return layer.graph.node(
    'Gather',
    [x, layer.graph.int64s(`${layer.name}/${indices}`, places)],
    { name: `${layer.name}/repeat`, shape: x.shape.map((dim, i) => (i === axis ? size : dim)) },
    { axis: BigInt(axis) },
  );
}

/** ReduceSum, ReduceMean, ReduceMax, ... over some axes; over none each number is its own, where ONNX would take all of them. */
export function reduce(
  layer: LayerContext,
  op: string,
  x: SymbolicTensor,
  axes: readonly number[],
  keepDims: boolean,
): SymbolicTensor {
  if (axes.length === 0) return x;
  const at = axes.map((axis) => axisOf(axis, x.shape.length));
  const shape = x.shape.flatMap((dim, i) => (at.includes(i) ? (keepDims ? [1] : []) : [dim]));
  return layer.graph.node(
    op,
    [x, layer.graph.int64s(`${layer.name}/axes`, at)],
    { name: `${layer.name}/${op.toLowerCase()}`, shape },
    { keepdims: keepDims ? 1n : 0n },
  );
}

/** `a @ b`, batched. */
export function matmul(layer: LayerContext, a: SymbolicTensor, b: SymbolicTensor): SymbolicTensor {
  const batch = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const shape = [...batch, a.shape.at(-2) as number, b.shape.at(-1) as number];
  return layer.graph.node('MatMul', [a, b], { name: `${layer.name}/matmul`, shape });
}
