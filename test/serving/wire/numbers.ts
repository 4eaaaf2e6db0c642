/** Seeded texts of numbers as people, programs and adversaries write them. */

export type Random = () => number;

/** Mulberry32: uniform in [0, 1), the same everywhere for a seed. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const double = new DataView(new ArrayBuffer(8));

function digits(random: Random, count: number): string {
  let text = '';
  for (let index = 0; index < count; index++) text += Math.floor(random() * 10);
  return text;
}

function whole(random: Random, count: number): string {
  return count === 1 ? digits(random, 1) : `${1 + Math.floor(random() * 9)}${digits(random, count - 1)}`;
}

const below = (random: Random, limit: number) => Math.floor(random() * limit);
const sign = (random: Random) => (random() < 0.3 ? '-' : '');

/** Any finite double, by its bits. */
function anyDouble(random: Random): number {
  for (;;) {
    double.setUint32(0, random() * 4294967296);
    double.setUint32(4, random() * 4294967296);
    const value = double.getFloat64(0);
    if (Number.isFinite(value)) return value;
  }
}

/** Exactly between two neighbouring float32, or between two doubles, or a hair beside it. */
function halfway(random: Random): string {
  if (random() < 0.5) {
    double.setUint32(0, below(random, 0x7f800000));
    const value = double.getFloat32(0);
    double.setUint32(0, double.getUint32(0) + 1);
    const middle = (value + double.getFloat32(0)) / 2;
    if (Number.isFinite(middle))
      return middle.toString() + (random() < 0.5 && !/e/.test(String(middle)) ? digits(random, 20) : '');
  }
  // 2^53 + 1 and its kind are halfway between doubles.
  const odd = 2n ** 53n + 2n * BigInt(below(random, 2 ** 30)) + 1n;
  return `${odd}${['', '.0', `.${'0'.repeat(below(random, 30))}1`, `e${below(random, 40) - 20}`][below(random, 4)]}`;
}

const families: readonly ((random: Random) => string)[] = [
  (random) => random().toFixed(4),
  (random) => (random() * 2 - 1).toFixed(4),
  (random) => String(random()),
  (random) => String(Math.fround(random() * 100 - 50)),
  (random) => sign(random) + whole(random, 1 + below(random, 25)),
  (random) =>
    `${sign(random)}${whole(random, 1 + below(random, 20))}.${digits(random, 1 + below(random, 25))}`,
  (random) => `${sign(random)}0.${'0'.repeat(below(random, 30))}${digits(random, 1 + below(random, 22))}`,
  (random) =>
    `${sign(random)}${whole(random, 1 + below(random, 3))}.${digits(random, 1 + below(random, 20))}${'eE'[below(random, 2)]}${['', '+', '-'][below(random, 3)]}${below(random, 330)}`,
  (random) => `${sign(random)}${whole(random, 1)}e${below(random, 700) - 350}`,
  (random) => String(anyDouble(random)),
  (random) => anyDouble(random).toExponential(below(random, 21)),
  halfway,
  (random) =>
    [
      '0',
      '-0',
      '0.0',
      '-0.0e5',
      '1',
      '5e-324',
      '2.2250738585072011e-308',
      '1.7976931348623159e308',
      '4.9e-324',
      '2e-324',
    ][below(random, 10)]!,
];

/** One number as JSON text. */
export function numberText(random: Random): string {
  return families[below(random, families.length)]!(random);
}

/** Most of them with the same number of decimals, as programs write lists; now and then another one. */
export function numbersOfOneForm(random: Random): () => string {
  const decimals = 1 + below(random, 7);
  const others = random() < 0.5 ? 0 : 0.1;
  return () => (random() < others ? numberText(random) : (random() * 9.9).toFixed(decimals));
}
