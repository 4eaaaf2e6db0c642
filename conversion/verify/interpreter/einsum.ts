import { fold, generate, get, type Tensor } from './tensor.ts';

/** Sums products over labels, by visiting every combination of them. */
export function einsum(equation: string, operands: readonly Tensor[]): Tensor {
  const [left = '', output = ''] = equation.replaceAll(' ', '').split('->');
  const spare = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'].filter((letter) => !equation.includes(letter)).slice(0, 8);
  const terms = left.split(',').map((labels, i) => {
    const missing = (operands[i] as Tensor).shape.length - labels.replace('...', '').length;
    return labels.replace('...', spare.slice(0, missing).join(''));
  });
  const dots = Math.max(
    ...left
      .split(',')
      .map((labels, i) =>
        labels.includes('...') ? (operands[i] as Tensor).shape.length - labels.replace('...', '').length : 0,
      ),
  );
  const target = output.replace('...', spare.slice(0, dots).join(''));
  const sizes = new Map(
    terms.flatMap((labels, i) =>
      [...labels].map((label, axis) => [label, (operands[i] as Tensor).shape[axis] as number] as const),
    ),
  );
  const inner = [...sizes.keys()].filter((label) => !target.includes(label));
  const order = [...target, ...inner];
  const all = generate(
    order.map((label) => sizes.get(label) as number),
    (at) =>
      terms.reduce(
        (value, labels, i) =>
          value *
          get(
            operands[i] as Tensor,
            [...labels].map((label) => at[order.indexOf(label)] as number),
          ),
        1,
      ),
  );
  return inner.length === 0
    ? all
    : fold(
        all,
        inner.map((_, i) => target.length + i),
        false,
        0,
        (a, b) => a + b,
      );
}
