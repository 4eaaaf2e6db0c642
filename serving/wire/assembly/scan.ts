import {
  MAX_RANK,
  REPORT_COUNT,
  REPORT_DEPTH,
  REPORT_PATH,
  REPORT_POSITION,
  REPORT_RANK,
  REPORT_SHAPE,
} from './layout';
import { readRun, runEnd, runFault, skipSpace } from './run';
import { OK, RAGGED, SYNTAX, TOO_DEEP, TOO_MANY_AXES, TOO_SHALLOW } from './status';

@inline
function pathAt(depth: i32): usize {
  return (<usize>depth << 2) + REPORT_PATH;
}

@inline
function shapeAt(depth: i32): usize {
  return (<usize>depth << 2) + REPORT_SHAPE;
}

/**
 * Reads an element or arrays of elements at `at`, writes the elements, row-major, to `out` and answers a status; the report says
 * where it ended and what shape it had. `out` must have room for half as many elements as there are bytes of text. The text must
 * be followed by a zero byte, a comma and 80 more bytes that can be read.
 */
function scan<T extends number>(at: usize, out: usize, policy: i32): i32 {
  const outStart = out;
  let runStart = out;
  let depth: i32 = 0;
  let rank: i32 = -1;
  let fault: i32 = OK;
  at = skipSpace(at);

  do {
    if (load<u8>(at) === 0x5b) {
      if (depth === rank) fault = TOO_DEEP;
      else if (depth === MAX_RANK) fault = TOO_MANY_AXES;
      if (fault !== OK) break;
      depth++;
      store<i32>(pathAt(depth), 0);
      if (rank < 0) store<i32>(shapeAt(depth), -1);
      runStart = out;
      at = skipSpace(at + 1);
      if (load<u8>(at) !== 0x5d) continue;
      store<i32>(pathAt(depth), -1);
      if (rank < 0) rank = depth;
    } else {
      if (rank < 0) rank = depth;
      out = readRun<T>(at, out, policy, depth > 0);
      at = runEnd;
      fault = runFault;
      if (fault === OK && depth !== rank) fault = TOO_SHALLOW;
      if (fault !== OK || depth === 0) break;
    }

    // The end of one array or of several, then a sister or the end of it all.
    while (true) {
      if (load<u8>(at) !== 0x5d) {
        fault = SYNTAX;
        break;
      }
      const length = depth === rank ? <i32>((out - runStart) / sizeof<T>()) : load<i32>(pathAt(depth)) + 1;
      const sisters = load<i32>(shapeAt(depth));
      if (sisters < 0) store<i32>(shapeAt(depth), length);
      else if (sisters !== length) {
        store<i32>(pathAt(depth), length);
        fault = RAGGED;
        break;
      }
      at++;
      depth--;
      if (depth === 0) break;
      at = skipSpace(at);
      if (load<u8>(at) !== 0x2c) continue;
      store<i32>(pathAt(depth), load<i32>(pathAt(depth)) + 1);
      at = skipSpace(at + 1);
      break;
    }
  } while (fault === OK && depth > 0);

  if (fault !== OK && fault !== RAGGED && depth > 0 && depth === rank) {
    store<i32>(pathAt(depth), <i32>((out - runStart) / sizeof<T>()));
  }
  store<i32>(REPORT_POSITION, <i32>at);
  store<i32>(REPORT_RANK, rank);
  store<i32>(REPORT_COUNT, <i32>((out - outStart) / sizeof<T>()));
  store<i32>(REPORT_DEPTH, depth);
  return fault;
}

export function scan_bool(at: usize, out: usize, policy: i32): i32 {
  return scan<bool>(at, out, policy);
}
export function scan_uint8(at: usize, out: usize, policy: i32): i32 {
  return scan<u8>(at, out, policy);
}
export function scan_uint16(at: usize, out: usize, policy: i32): i32 {
  return scan<u16>(at, out, policy);
}
export function scan_uint32(at: usize, out: usize, policy: i32): i32 {
  return scan<u32>(at, out, policy);
}
export function scan_uint64(at: usize, out: usize, policy: i32): i32 {
  return scan<u64>(at, out, policy);
}
export function scan_int8(at: usize, out: usize, policy: i32): i32 {
  return scan<i8>(at, out, policy);
}
export function scan_int16(at: usize, out: usize, policy: i32): i32 {
  return scan<i16>(at, out, policy);
}
export function scan_int32(at: usize, out: usize, policy: i32): i32 {
  return scan<i32>(at, out, policy);
}
export function scan_int64(at: usize, out: usize, policy: i32): i32 {
  return scan<i64>(at, out, policy);
}
export function scan_float32(at: usize, out: usize, policy: i32): i32 {
  return scan<f32>(at, out, policy);
}
export function scan_float64(at: usize, out: usize, policy: i32): i32 {
  return scan<f64>(at, out, policy);
}
