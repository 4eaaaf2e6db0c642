import { REPORT_SHAPE } from './layout';
import { digits, exponent, shortest } from './shortest';
import { NON_FINITE, OK, POLICY_NULL, POLICY_TOKEN } from './status';

/** The next element and the next byte of text. */
let source: usize = 0;
let target: usize = 0;
let fault: i32 = OK;

@inline
function put(c: u32): void {
  store<u8>(target++, c);
}

function putDecimal(size: u64): void {
  let length: usize = 1;
  for (let rest = size; rest >= 10; rest /= 10) length++;
  target += length;
  for (let at = target - 1; length > 0; length--) {
    store<u8>(at--, <u8>(48 + (size % 10)));
    size /= 10;
  }
}

function putZeros(count: i32): void {
  for (; count > 0; count--) put(48);
}

function putNonFinite(bits: u32, policy: i32): void {
  if (policy === POLICY_NULL) {
    store<u32>(target, 0x6c6c756e);
    target += 4;
  } else if (policy !== POLICY_TOKEN) {
    fault = NON_FINITE;
  } else if ((bits & 0x7fffff) !== 0) {
    store<u32>(target, 0x4e614e);
    target += 3;
  } else {
    if (bits >> 31) put(0x2d);
    store<u64>(target, 0x7974696e69666e49);
    target += 8;
  }
}

/** Written as JavaScript writes numbers, except that a whole number keeps a point, as TensorFlow Serving does. */
function putFloat(value: f32, policy: i32): void {
  const bits = reinterpret<u32>(value);
  if ((bits & 0x7f800000) === 0x7f800000) return putNonFinite(bits, policy);
  if (bits >> 31) put(0x2d);
  if (bits << 1 === 0) {
    digits_ = 0;
    exponent_ = 0;
  } else {
    shortest(bits & 0x7fffffff);
    digits_ = digits;
    exponent_ = exponent;
    while (digits_ % 10 === 0) {
      digits_ /= 10;
      exponent_++;
    }
  }
  let count: i32 = 1;
  for (let rest = digits_; rest >= 10; rest /= 10) count++;
  // The point stands after this many digits.
  const point = count + exponent_;
  if (point > 21 || point < -5) {
    putDecimal(digits_);
    if (count > 1) insertPoint(count - 1);
    put(0x65);
    if (point < 1) put(0x2d);
    else put(0x2b);
    putDecimal(<u64>abs(point - 1));
  } else if (exponent_ >= 0) {
    putDecimal(digits_);
    putZeros(exponent_);
    store<u16>(target, 0x302e);
    target += 2;
  } else if (point > 0) {
    putDecimal(digits_);
    insertPoint(-exponent_);
  } else {
    store<u16>(target, 0x2e30);
    target += 2;
    putZeros(-point);
    putDecimal(digits_);
  }
}
let digits_: u32 = 0;
let exponent_: i32 = 0;

function insertPoint(fromEnd: i32): void {
  const at = target - <usize>fromEnd;
  memory.copy(at + 1, at, <usize>fromEnd);
  store<u8>(at, 0x2e);
  target++;
}

function putElement<T extends number>(policy: i32): void {
  if (isFloat<T>()) putFloat(load<f32>(source), policy);
  else if (isBoolean<T>()) {
    const isTrue = load<u8>(source) !== 0;
    store<u64>(target, isTrue ? 0x65757274 : 0x65736c6166);
    target += isTrue ? 4 : 5;
  } else {
    const value = load<T>(source);
    if (isSigned<T>() && value < 0) {
      put(0x2d);
      putDecimal(0 - <u64>value);
    } else putDecimal(<u64>value);
  }
  source += sizeof<T>();
}

function putAxis<T extends number>(axis: i32, rank: i32, policy: i32): void {
  if (axis > rank) return putElement<T>(policy);
  put(0x5b);
  const length = load<i32>((<usize>axis << 2) + REPORT_SHAPE);
  for (let index = 0; index < length; index++) {
    if (index > 0) put(0x2c);
    if (axis === rank) putElement<T>(policy);
    else putAxis<T>(axis + 1, rank, policy);
  }
  put(0x5d);
}

/**
 * Writes the tensor at `data`, whose shape is in the report, as JSON text to `out` and answers the position after it, or 0 where
 * the policy refuses a value.
 */
function write<T extends number>(data: usize, rank: i32, out: usize, policy: i32): usize {
  source = data;
  target = out;
  fault = OK;
  putAxis<T>(1, rank, policy);
  return fault === OK ? target : 0;
}

export function write_bool(data: usize, rank: i32, out: usize, policy: i32): usize {
  return write<bool>(data, rank, out, policy);
}
export function write_uint8(data: usize, rank: i32, out: usize, policy: i32): usize {
  return write<u8>(data, rank, out, policy);
}
export function write_uint16(data: usize, rank: i32, out: usize, policy: i32): usize {
  return write<u16>(data, rank, out, policy);
}
export function write_uint32(data: usize, rank: i32, out: usize, policy: i32): usize {
  return write<u32>(data, rank, out, policy);
}
export function write_uint64(data: usize, rank: i32, out: usize, policy: i32): usize {
  return write<u64>(data, rank, out, policy);
}
export function write_int8(data: usize, rank: i32, out: usize, policy: i32): usize {
  return write<i8>(data, rank, out, policy);
}
export function write_int16(data: usize, rank: i32, out: usize, policy: i32): usize {
  return write<i16>(data, rank, out, policy);
}
export function write_int32(data: usize, rank: i32, out: usize, policy: i32): usize {
  return write<i32>(data, rank, out, policy);
}
export function write_int64(data: usize, rank: i32, out: usize, policy: i32): usize {
  return write<i64>(data, rank, out, policy);
}
export function write_float32(data: usize, rank: i32, out: usize, policy: i32): usize {
  return write<f32>(data, rank, out, policy);
}
