import { eightDigits, isEightDigits, toDouble } from './decimal';
import { NON_FINITE, OK, POLICY_NULL, POLICY_TOKEN, SYNTAX, WRONG_TYPE } from './status';

/** What `readNumber` found, beside the position after it. */
export let status: i32 = OK;
/** The value, correctly rounded. */
export let value: f64 = 0;
/** Magnitude where the text was nothing but digits (`isPlain`) and they fit. */
export let magnitude: u64 = 0;
export let isNegative: bool = false;
/** Nothing but an optional sign and digits that fit into 64 bits. */
export let isPlain: bool = false;

@inline
function digitAt(at: usize): u32 {
  return <u32>load<u8>(at) - 48;
}

@inline
function fail(code: i32, at: usize): usize {
  status = code;
  return at;
}

/** true or false? */
@inline
export function isBooleanWord(at: usize): bool {
  const word = load<u32>(at);
  return word === 0x65757274 || (word === 0x736c6166 && load<u8>(at, 4) === 0x65);
}

/** NaN and Infinity as JavaScript and TensorFlow Serving write them, null, or another type altogether. */
function readWord(at: usize, start: usize, policy: i32): usize {
  const isSigned = at !== start;
  if (load<u64>(at) === 0x7974696e69666e49) {
    value = isSigned ? -Infinity : Infinity;
    status = policy === POLICY_TOKEN ? OK : NON_FINITE;
    return status === OK ? at + 8 : start;
  }
  if (isSigned) return fail(SYNTAX, at);
  const word = load<u32>(at);
  if ((word & 0xffffff) === 0x4e614e) {
    value = NaN;
    status = policy === POLICY_TOKEN ? OK : NON_FINITE;
    return status === OK ? at + 3 : start;
  }
  if (word === 0x6c6c756e) {
    value = NaN;
    status = policy === POLICY_NULL ? OK : WRONG_TYPE;
    return status === OK ? at + 4 : start;
  }
  const first = load<u8>(at);
  return fail(first === 0x22 || first === 0x7b || isBooleanWord(at) ? WRONG_TYPE : SYNTAX, at);
}

/**
 * Reads one JSON number of any length at `start` and answers the position after it; `status` says how it went, and where it is
 * not OK the position is the fault's.
 */
export function readNumber(start: usize, policy: i32): usize {
  let at = start;
  isPlain = false;
  isNegative = load<u8>(at) === 0x2d;
  if (isNegative) at++;
  if (digitAt(at) > 9) return readWord(at, start, policy);

  let digits: u64 = 0;
  let exponent: i32 = 0;
  // Nineteen digits fit a u64; what is left of a longer number only counts if it is not zero.
  let room: i32 = 19;
  let inexact = false;
  const integerStart = at;
  if (load<u8>(at) === 48) {
    at++;
    if (digitAt(at) < 10) return fail(SYNTAX, at);
  } else {
    while (room >= 8 && isEightDigits(load<u64>(at))) {
      digits = digits * 100000000 + eightDigits(load<u64>(at));
      room -= 8;
      at += 8;
    }
    for (let digit = digitAt(at); digit < 10; digit = digitAt(++at)) {
      if (room > 0) {
        digits = digits * 10 + digit;
        room--;
      } else {
        exponent++;
        inexact = inexact || digit !== 0;
      }
    }
  }
  const integerEnd = at;

  if (load<u8>(at) === 0x2e) {
    at++;
    if (digitAt(at) > 9) return fail(SYNTAX, at);
    if (digits === 0) {
      while (load<u8>(at) === 48) {
        at++;
        exponent--;
      }
    }
    while (room >= 8 && isEightDigits(load<u64>(at))) {
      digits = digits * 100000000 + eightDigits(load<u64>(at));
      room -= 8;
      exponent -= 8;
      at += 8;
    }
    for (let digit = digitAt(at); digit < 10; digit = digitAt(++at)) {
      if (room > 0) {
        digits = digits * 10 + digit;
        room--;
        exponent--;
      } else {
        inexact = inexact || digit !== 0;
      }
    }
  }

  if ((load<u8>(at) | 0x20) === 0x65) {
    at++;
    const sign = load<u8>(at);
    if (sign === 0x2d || sign === 0x2b) at++;
    if (digitAt(at) > 9) return fail(SYNTAX, at);
    let written: i32 = 0;
    for (let digit = digitAt(at); digit < 10; digit = digitAt(++at)) {
      // Far beyond what a double holds even when millions of digits stand before it; the host settles those.
      if (written < 100000000) written = written * 10 + digit;
    }
    exponent += sign === 0x2d ? -written : written;
  } else if (at === integerEnd) {
    readPlain(integerStart, integerEnd, digits, room);
  }

  status = OK;
  const absolute = toDouble(digits, exponent, inexact, integerStart, at);
  value = isNegative ? -absolute : absolute;
  return at;
}

/** Keeps the exact magnitude of an integer of up to 64 bits, of which the largest have 20 digits. */
function readPlain(start: usize, end: usize, digits: u64, room: i32): void {
  const length = end - start;
  isPlain = true;
  magnitude = digits;
  if (room > 0 || length === 19) return;
  const last = digitAt(end - 1);
  isPlain = length === 20 && (digits < 1844674407370955161 || (digits === 1844674407370955161 && last <= 5));
  magnitude = digits * 10 + last;
}
