import type { Random } from './numbers.ts';
import { numberText } from './numbers.ts';

const below = (random: Random, limit: number) => Math.floor(random() * limit);
const pick = <T>(random: Random, items: readonly T[]): T => items[below(random, items.length)] as T;

const junk = [
  ',',
  ',,',
  ':',
  '[',
  ']',
  '{',
  '}',
  '"',
  '\\',
  '/',
  '-',
  '+',
  '.',
  'e',
  'E',
  '0',
  '00',
  '01',
  '.5',
  '5.',
  '1e',
  '1e+',
  '--1',
  '+1',
  '0x10',
  '1_000',
  'NaN',
  'Infinity',
  '-Infinity',
  '-NaN',
  'nan',
  'inf',
  'null',
  'true',
  'false',
  'tru',
  'undefined',
  "'a'",
  '"a"',
  '"\\u00e9"',
  '"\\x"',
  '"\t"',
  '\u0000',
  '\u00a0',
  '\ufeff',
  '\u2028',
  '//',
  '/* */',
  '\b',
  '\v',
  '\f',
  ' ',
  '\n',
  '{"b64":"AA=="}',
  '[]',
  '{}',
  '1 2',
  '[1',
  '1]',
  '\ud800',
];

function nested(random: Random, depth: number): string {
  if (depth === 0 || random() < 0.1) return random() < 0.92 ? numberText(random) : pick(random, junk);
  const sizes = below(random, 4);
  return `[${Array.from({ length: sizes }, () => nested(random, depth - 1)).join(random() < 0.98 ? ',' : pick(random, junk))}]`;
}

function regular(random: Random, shape: readonly number[]): string {
  const [size, ...rest] = shape;
  if (size === undefined) return numberText(random);
  return `[${Array.from({ length: size }, () => regular(random, rest)).join(pick(random, [',', ', ', ' ,\n']))}]`;
}

/** A text that is a tensor, nearly one, or no JSON at all. */
export function tensorText(random: Random): string {
  const shape = Array.from({ length: below(random, 4) }, () => below(random, 5));
  let text = random() < 0.5 ? regular(random, shape) : nested(random, below(random, 4));
  for (let edits = below(random, 3); edits > 0; edits--) {
    const at = below(random, text.length + 1);
    const cut = below(random, 3);
    text = text.slice(0, at) + (random() < 0.7 ? pick(random, junk) : '') + text.slice(at + cut);
  }
  return text;
}

/** Shape of a rectangular array of numbers; undefined for every other value. */
export function shapeOf(value: unknown): number[] | undefined {
  if (typeof value === 'number') return [];
  if (!Array.isArray(value)) return undefined;
  if (value.length === 0) return [0];
  const shapes = value.map(shapeOf);
  const [first] = shapes;
  if (first === undefined) return undefined;
  return shapes.every((shape) => shape !== undefined && shape.join() === first.join())
    ? [value.length, ...first]
    : undefined;
}
