import {
  CONSTANTS,
  HEAP,
  PAIRS,
  POWERS_OF_FIVE,
  POWERS_OF_TEN,
  SHUFFLES,
  SINGLE_POWERS,
  SPACED,
} from './assembly/layout.ts';

const word = (1n << 64n) - 1n;

let made: Uint8Array | undefined;

/** The first HEAP bytes of the assembly's memory. Each table is computed from what it is, so there is no number to trust. */
export function assemblyTables(): Uint8Array {
  made ??= new Uint8Array(makeTables());
  return made;
}

function makeTables(): ArrayBuffer {
  const memory = new ArrayBuffer(HEAP);
  const view = new DataView(memory);
  for (let exponent = 0; exponent <= 22; exponent++) {
    view.setFloat64(POWERS_OF_TEN + 8 * exponent, Number(`1e${exponent}`), true);
  }
  fillConstants(memory);
  for (let exponent = -342; exponent <= 308; exponent++) {
    const bits = powerOfFive(exponent);
    const at = POWERS_OF_FIVE + 16 * (exponent + 342);
    view.setBigUint64(at, bits >> 64n, true);
    view.setBigUint64(at + 8, bits & word, true);
  }
  for (let exponent = -31; exponent <= 45; exponent++) {
    view.setBigUint64(SINGLE_POWERS + 8 * (exponent + 31), powerOfTen64(exponent), true);
  }
  for (let whole = 0; whole < 16; whole++) {
    for (let fraction = 0; fraction < 16; fraction++) {
      new Uint8Array(memory, SHUFFLES + 16 * (16 * whole + fraction), 16).set(shuffle(whole, fraction));
    }
  }
  for (let fraction = 1; fraction <= 5; fraction++) {
    fillPair(memory, fraction, fraction, ',');
    if (fraction < 5) fillPair(memory, fraction + SPACED, fraction, ', ');
  }
  return memory;
}

function fillConstants(memory: ArrayBuffer): void {
  const bytes = new Uint8Array(memory, CONSTANTS, 32);
  bytes.fill(48, 0, 16).fill(10, 16, 32);
  const words = new Int16Array(memory, CONSTANTS + 32, 32);
  words.fill(10, 0, 8).fill(255, 8, 16);
  for (let pair = 0; pair < 8; pair += 2) {
    words.set([100, 1], 16 + pair);
    words.set([10000, 1], 24 + pair);
  }
}

/** The 128 leading bits of 5^q: cut off for a power, rounded up for the reciprocal of one (Lemire 2021, section 5). */
function powerOfFive(exponent: number): bigint {
  if (exponent >= 0) {
    const power = 5n ** BigInt(exponent);
    const excess = bitLength(power) - 128n;
    return excess > 0n ? power >> excess : power << -excess;
  }
  const power = 5n ** BigInt(-exponent);
  if (exponent >= -27) return (1n << (bitLength(power) + 127n)) / power + 1n;
  const reciprocal = (1n << (2n * bitLength(power) + 128n)) / power + 1n;
  return reciprocal >> (bitLength(reciprocal) - 128n);
}

/** The 64 leading bits of 10^k, rounded up (Giulietti 2021, section 9). */
function powerOfTen64(exponent: number): bigint {
  if (exponent >= 0) {
    const power = 10n ** BigInt(exponent);
    const excess = bitLength(power) - 64n;
    return excess > 0n ? ((power - 1n) >> excess) + 1n : power << -excess;
  }
  const power = 10n ** BigInt(-exponent);
  return ((1n << (bitLength(power) + 63n)) - 1n) / power + 1n;
}

function bitLength(value: bigint): bigint {
  return BigInt(value.toString(2).length);
}

/** Lane -> byte of the number's text, 255 for none: whole digits, a point that is left out, fraction digits, aligned right. */
function shuffle(whole: number, fraction: number): Uint8Array {
  const lanes = new Uint8Array(16).fill(255);
  for (let digit = 0; digit < whole + fraction && digit < 16; digit++) {
    const lane = 15 - digit;
    lanes[lane] = digit < fraction ? whole + fraction - digit : whole + fraction - 1 - digit;
  }
  return lanes;
}

/** Two numbers `d.ddd` with what follows each: their text without the digits, and each one's digits aligned right in its half. */
function fillPair(memory: ArrayBuffer, form: number, fraction: number, separator: string): void {
  const number = `\0.${'\0'.repeat(fraction)}${separator}`;
  const marks = Buffer.from((number + number).padEnd(16, '\0'));
  const first = shuffle(1, fraction).subarray(8);
  const second = first.map((byte) => (byte === 255 ? 255 : byte + number.length));
  new Uint8Array(memory, PAIRS + 32 * (form - 1), 32).set([...marks, ...first, ...second]);
}
