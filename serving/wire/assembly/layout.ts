/**
 * Where things lie in the memory that the assembly and its host (../module.ts) share. The host fills the tables once
 * (../tables.ts) and reads the report after each scan. Written without types, so that both compilers take this file.
 */

/** i32: position of the byte after the value, or of the fault. */
export const REPORT_POSITION = 0;
/** i32: how many axes the value has; 0 is a bare number. */
export const REPORT_RANK = 4;
/** i32: how many elements were written. */
export const REPORT_COUNT = 8;
/** i32: how many arrays are open at the fault. */
export const REPORT_DEPTH = 12;
/** i32[33]: size of each axis, from index 1; the writer takes its shape here. */
export const REPORT_SHAPE = 64;
/** i32[33]: index within each open array, from index 1: the path to a fault. */
export const REPORT_PATH = 256;

/** f64[23]: 10^0 to 10^22, all exact. */
export const POWERS_OF_TEN = 512;
/** Six vectors of 16 bytes: u8 48, u8 10, i16 10, i16 255, i16 (100, 1), i16 (10000, 1). */
export const CONSTANTS = 768;
/** u64[2 * 651]: the 128 leading bits of 5^q, q from -342 to 308, high word first. */
export const POWERS_OF_FIVE = 1024;
/** u64[77]: the 64 leading bits of 10^k, k from -31 to 45, rounded up. */
export const SINGLE_POWERS = 11456;
/** u8[16 * 16 * 16]: for w whole and f fraction digits, where each of 16 right-aligned digits comes from. */
export const SHUFFLES = 12288;
/**
 * By form, from 1 on: u8[16] where the text of two numbers has its points, commas and spaces, u8[16] where each digit comes from.
 * Forms 1 to 5 are `d.` with so many digits and a comma, `SPACED` more is with a space behind it (at most 4 digits).
 */
export const PAIRS = 16384;
export const SPACED = 8;
/** First byte that belongs to a request. */
export const HEAP = 16768;

/** Deepest nesting of a tensor. */
export const MAX_RANK = 32;
