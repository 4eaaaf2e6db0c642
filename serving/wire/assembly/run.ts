import { CONSTANTS, PAIRS, POWERS_OF_TEN, SHUFFLES, SPACED } from './layout';
import { isBooleanWord, isNegative, isPlain, magnitude, readNumber, status, value } from './number';
import { NOT_AN_INTEGER, OK, OUT_OF_RANGE, TOO_DEEP, WRONG_TYPE } from './status';

/** Where `readRun` stopped: after the last element and its white space, or at the fault. */
export let runEnd: usize = 0;
export let runFault: i32 = OK;

@inline
export function skipSpace(at: usize): usize {
  let c = <u32>load<u8>(at);
  while (c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09) c = load<u8>(++at);
  return at;
}

/** One bit for each comma or closing bracket of the 64 bytes at `at`. */
@inline
function separators(at: usize): u64 {
  return separators16(at) | (separators16(at + 16) << 16) | (separators16(at + 32) << 32) | (separators16(at + 48) << 48);
}

@inline
function separators16(at: usize): u64 {
  const text = v128.load(at);
  return <u64>i8x16.bitmask(v128.or(i8x16.eq(text, i8x16.splat(0x2c)), i8x16.eq(text, i8x16.splat(0x5d))));
}

@inline
function storeInteger<T extends number>(out: usize, size: u64, negative: bool): i32 {
  const largest = u64.MAX_VALUE >> (64 - (sizeof<T>() << 3) + (isSigned<T>() ? 1 : 0));
  if (size > largest && !(isSigned<T>() && negative && size === largest + 1)) return OUT_OF_RANGE;
  if (!isSigned<T>() && negative && size !== 0) return OUT_OF_RANGE;
  store<T>(out, <T>(negative ? 0 - size : size));
  return OK;
}

/** Writes what `readNumber` found; integers only where nothing is lost, in whatever notation they came. */
function storeRead<T extends number>(out: usize): i32 {
  if (isFloat<T>()) {
    store<T>(out, <T>value);
    return OK;
  }
  if (isPlain) return storeInteger<T>(out, magnitude, isNegative);
  if (Math.trunc(value) !== value) return NOT_AN_INTEGER;
  if (Math.abs(value) > 9007199254740991) return OUT_OF_RANGE;
  return storeInteger<T>(out, <u64>Math.abs(value), isNegative);
}

/** Reads one element of any form; `runEnd` is what follows its white space, or the fault. */
function readElement<T extends number>(at: usize, out: usize, policy: i32): void {
  if (isBoolean<T>()) {
    const isWord = isBooleanWord(at);
    if (isWord) store<u8>(out, load<u8>(at) === 0x74 ? 1 : 0);
    else readNumber(at, policy);
    runFault = isWord ? OK : status === OK ? WRONG_TYPE : status;
    runEnd = isWord ? skipSpace(at + (load<u8>(at) === 0x74 ? 4 : 5)) : at;
  } else {
    runEnd = readNumber(at, policy);
    runFault = status;
    if (status === OK) {
      runFault = storeRead<T>(out);
      runEnd = runFault === OK ? skipSpace(runEnd) : at;
    }
  }
  if (runFault !== OK && load<u8>(at) === 0x5b) runFault = TOO_DEEP;
}

/** Bytes of one number of a form, with what follows it. */
@inline
function widthOf(form: i32): i32 {
  return form < SPACED ? form + 3 : form - SPACED + 4;
}

/**
 * Reads numbers of one form (see `PAIRS`) as long as two of them follow: some decimals of what lies between 0 and 1 is what many
 * clients send. Answers where it stopped.
 */
function readPairs<T extends number>(at: usize, out: usize, form: i32): usize {
  const table = PAIRS + (<usize>(form - 1) << 5);
  const marks = v128.load(table);
  const shuffle = v128.load(table + 16);
  const isMark = i8x16.ne(marks, i8x16.splat(0));
  const markBits = i8x16.bitmask(isMark);
  const bytes = <usize>widthOf(form) << 1;
  const inUse = (1 << <i32>bytes) - 1;
  const scale = v128.load_splat<f64>((<usize>(form & (SPACED - 1)) << 3) + POWERS_OF_TEN);
  const zeros = v128.load(CONSTANTS);
  const tenBytes = v128.load(CONSTANTS + 16);
  const tens = v128.load(CONSTANTS + 32);
  const lowBytes = v128.load(CONSTANTS + 48);
  const hundreds = v128.load(CONSTANTS + 64);
  const thousands = v128.load(CONSTANTS + 80);
  while (true) {
    const text = v128.load(at);
    const digits = i8x16.sub(text, zeros);
    if ((i8x16.bitmask(i8x16.ge_u(digits, tenBytes)) & inUse) !== markBits) return at;
    if (!i8x16.all_true(i8x16.eq(v128.and(text, isMark), marks))) return at;
    const aligned = i8x16.swizzle(digits, shuffle);
    const pairs = v128.and(i16x8.add(i16x8.mul(aligned, tens), i16x8.shr_u(aligned, 8)), lowBytes);
    const fours = i32x4.dot_i16x8_s(pairs, hundreds);
    const both = i32x4.dot_i16x8_s(i16x8.narrow_i32x4_s(fours, fours), thousands);
    const values = f64x2.div(f64x2.convert_low_i32x4_s(both), scale);
    if (sizeof<T>() === 4) v128.store_lane<u64>(out, f32x4.demote_f64x2_zero(values), 0);
    else v128.store(out, values);
    out += sizeof<T>() << 1;
    at += bytes;
  }
}

/**
 * Reads one element after another from `at` on, as long as commas follow (`isList`), and answers where the next element would be
 * written.
 *
 * Where each number ends is known from the mask of separators before it is looked at, so the processor works on several at once.
 * A number of up to 15 characters without exponent, which is what people send, takes one load of 16 bytes: a mask finds the point,
 * a shuffle drops it and aligns the digits right, three multiply-adds make two integers below 10^8 of them. Both parts and the
 * power of ten are exact doubles, so the one division rounds correctly.
 */
export function readRun<T extends number>(at: usize, out: usize, policy: i32, isList: bool): usize {
  if (!isList || isBoolean<T>()) return readPlainly<T>(at, out, policy, isList);
  // Loaded, not written here: V8 keeps a loaded vector in its register and builds a constant anew each time round.
  const zeros = v128.load(CONSTANTS);
  const tenBytes = v128.load(CONSTANTS + 16);
  const tens = v128.load(CONSTANTS + 32);
  const lowBytes = v128.load(CONSTANTS + 48);
  const hundreds = v128.load(CONSTANTS + 64);
  const thousands = v128.load(CONSTANTS + 80);
  let base = at;
  let mask = separators(at);
  // Of the number before this one; 0 where it has none of them.
  let form: i32 = 0;
  while (true) {
    while (mask === 0) {
      base += 64;
      mask = separators(base);
    }
    const end = base + <usize>ctz(mask);
    const negative = <usize>(load<u8>(at) === 0x2d);
    const first = at + negative;
    const length = <u32>(end - first);
    const formBefore = form;
    form = 0;
    let isCommon = length < 16;
    if (isCommon) {
      const digits = i8x16.sub(v128.load(first), zeros);
      const others = <u32>i8x16.bitmask(i8x16.ge_u(digits, tenBytes)) & ((1 << length) - 1);
      let whole = length;
      let fraction: u32 = 0;
      if (others !== 0) {
        whole = ctz(others);
        fraction = length - whole - 1;
        isCommon =
          !isInteger<T>() && fraction !== 0 && (others & (others - 1)) === 0 && load<u8>(first + whole) === 0x2e;
      }
      isCommon = isCommon && whole !== 0 && (whole === 1 || load<u8>(first) !== 48);
      if (isCommon) {
        const aligned = i8x16.swizzle(digits, v128.load((<usize>((whole << 4) | fraction) << 4) + SHUFFLES));
        const pairs = v128.and(i16x8.add(i16x8.mul(aligned, tens), i16x8.shr_u(aligned, 8)), lowBytes);
        const fours = i32x4.dot_i16x8_s(pairs, hundreds);
        const eights = i32x4.dot_i16x8_s(i16x8.narrow_i32x4_s(fours, fours), thousands);
        if (isFloat<T>()) {
          const size = <f64>i32x4.extract_lane(eights, 0) * 1e8 + <f64>i32x4.extract_lane(eights, 1);
          const absolute = size / load<f64>((<usize>fraction << 3) + POWERS_OF_TEN);
          store<T>(out, <T>reinterpret<f64>(reinterpret<u64>(absolute) | (<u64>negative << 63)));
          if (whole === 1 && fraction < 6 && negative === 0) form = <i32>fraction;
        } else {
          const size = <u64>i32x4.extract_lane(eights, 0) * 100000000 + <u64>i32x4.extract_lane(eights, 1);
          runFault = storeInteger<T>(out, size, <bool>negative);
          if (runFault !== OK) break;
        }
      }
    }
    if (!isCommon) {
      readElement<T>(at, out, policy);
      if (runFault !== OK) return out;
      if (runEnd !== end) return out + sizeof<T>();
    }
    out += sizeof<T>();
    at = end;
    if (load<u8>(at) !== 0x2c) {
      runFault = OK;
      break;
    }
    mask &= mask - 1;
    at++;
    if (isFloat<T>() && form !== 0) {
      if (load<u8>(at) === 0x20) form = form < 5 ? form + SPACED : 0;
      if (form !== 0 && form === formBefore) {
        const start = form < SPACED ? at : at + 1;
        const after = readPairs<T>(start, out, form);
        if (after !== start) {
          out += ((after - start) / <usize>widthOf(form)) * sizeof<T>();
          at = after;
          base = at;
          mask = separators(at);
          form = 0;
        }
      }
    }
    if (load<u8>(at) === 0x20) at++;
    if (load<u8>(at) <= 0x20) at = skipSpace(at);
  }
  runEnd = at;
  return out;
}

function readPlainly<T extends number>(at: usize, out: usize, policy: i32, isList: bool): usize {
  while (true) {
    readElement<T>(at, out, policy);
    if (runFault !== OK) return out;
    out += sizeof<T>();
    if (!isList || load<u8>(runEnd) !== 0x2c) return out;
    at = skipSpace(runEnd + 1);
  }
}
