import type { Value } from '../ir.ts';
import type { LayerContext } from './layer.ts';

/** The shape of an operation between two values, as NumPy broadcasts them. */
export function broadcast(layer: LayerContext, a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[i - rank + a.length] ?? 1;
    const y = b[i - rank + b.length] ?? 1;
    if (x !== y && x > 1 && y > 1) throw new Error(`${layer.name}: [${a}] and [${b}] do not go together`);
    return x === 1 ? y : y === 1 ? x : Math.max(x, y);
  });
}

const operand = (layer: LayerContext, value: Value | number) =>
  typeof value === 'number' ? layer.graph.scalar(`${layer.name}/scalar`, value) : value;

/** An operator on two operands; numbers become scalars. */
export function binary(layer: LayerContext, operator: string, a: Value | number, b: Value | number): Value {
  const [x, y] = [operand(layer, a), operand(layer, b)];
  const shape = broadcast(layer, x.shape, y.shape);
  return layer.graph.node(operator, [x, y], { name: `${layer.name}/${operator.toLowerCase()}`, shape });
}

/** An operator on one operand, element by element. */
export function unary(
  layer: LayerContext,
  operator: string,
  x: Value,
  options: Readonly<Record<string, number | boolean>> = {},
): Value {
  return layer.graph.node(
    operator,
    [x],
    { name: `${layer.name}/${operator.toLowerCase()}`, shape: x.shape },
    options,
  );
}
