import type { DataType } from '../../conversion/manifest/index.ts';
import { arrayTypes } from '../engine/tensor.ts';
import {
  HEAP,
  REPORT_COUNT,
  REPORT_DEPTH,
  REPORT_PATH,
  REPORT_POSITION,
  REPORT_RANK,
  REPORT_SHAPE,
} from './assembly/layout.ts';
import { OK, RAGGED } from './assembly/status.ts';
import { faultOfStatus, WireFault, type WireFaultCode } from './faults.ts';
import { halfBits } from './float16.ts';
import { type WireMemory, wireMemory } from './memory.ts';
import { refuseOverflow } from './overflow.ts';
import { type NonFinitePolicy, nonFinitePolicies } from './policy.ts';
import { readStrings } from './strings.ts';
import { allocate, type NumericType, type Tensor } from './tensor.ts';

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

const bareWords: ReadonlyMap<string, number> = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
]);

/** Bytes in JSON begin so: someone sends a picture. */
const bytesPattern = /^\{\s*"b64"\s*:/;
/** Bytes in which that is looked for. */
const bytesWindow = 64;
const bytesHint = 'b64 is for text, and for inputs that are declared as pictures (docs/processing.md)';

/**
 * Reads one JSON document from the bytes of a body, value by value, without building what it reads: tensors go straight into
 * typed arrays. Accepts what JSON.parse accepts, plus what the policy says of NaN and Infinity. Only one reader is in use at a
 * time, synchronously.
 */
export class JsonReader {
  /** Next byte, within `memory.bytes`. */
  at = HEAP;
  readonly #memory: WireMemory;
  readonly #policy: NonFinitePolicy;

  /** @param parts the body as it arrived */
  constructor(parts: readonly Uint8Array[], policy: NonFinitePolicy) {
    this.#memory = wireMemory();
    this.#policy = policy;
    this.#memory.load(parts);
    if (this.peek() === 0 && this.at === this.#memory.textEnd) throw new WireFault('WIRE_EMPTY');
  }

  /** The next byte that is no white space; 0 at the end. */
  peek(): number {
    const { bytes } = this.#memory;
    let byte = bytes[this.at]!;
    while (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) byte = bytes[++this.at]!;
    return byte;
  }

  /** A fault at the next byte or at `at`. */
  fault(code: WireFaultCode, path = '', expected = '', at = this.at): WireFault {
    return new WireFault(code, { path, expected, offset: at - HEAP });
  }

  isObject(): boolean {
    return this.peek() === openBrace;
  }

  isArray(): boolean {
    return this.peek() === openBracket;
  }

  isString(): boolean {
    return this.peek() === quote;
  }

  /** Reads `{...}`; `onKey` must read the value of each key. A key that comes twice is called twice. */
  object(onKey: (key: string) => void): void {
    this.#expect(openBrace);
    if (this.#take(closeBrace)) return;
    do {
      if (this.peek() !== quote) throw this.fault('WIRE_SYNTAX');
      const key = this.string();
      this.#expect(colon);
      onKey(key);
    } while (this.#take(comma));
    this.#expect(closeBrace);
  }

  /** Reads `[...]`; `onElement` must read each element. Answers how many there were. */
  array(onElement: (index: number) => void): number {
    this.#expect(openBracket);
    if (this.#take(closeBracket)) return 0;
    let index = 0;
    do onElement(index++);
    while (this.#take(comma));
    this.#expect(closeBracket);
    return index;
  }

  /** Reads a string. */
  string(path = ''): string {
    if (this.peek() !== quote) throw this.fault('WIRE_WRONG_TYPE', path, 'string');
    const start = this.at;
    const end = this.#stringEnd(start);
    const { bytes } = this.#memory;
    for (let at = start + 1; at < end - 1; at++) {
      const byte = bytes[at]!;
      // Escapes, control characters and text beyond ASCII are JSON.parse's.
      if (byte === backslash || byte < 0x20 || byte > 0x7e) return this.value() as string;
    }
    this.at = end;
    return bytes.toString('latin1', start + 1, end - 1);
  }

  /** The first key of the object that comes next, which is not read yet; undefined where something else comes. */
  firstKey(): string | undefined {
    if (!this.isObject()) return undefined;
    const start = this.at++;
    const key = this.isString() ? this.string() : undefined;
    this.at = start;
    return key;
  }

  /** Passes over a value, to come back to by setting `at`. */
  skip(): void {
    this.peek();
    this.at = this.#valueEnd(this.at);
  }

  /** Reads any value as JSON.parse would, for what is small, or a bare word that the policy takes. */
  value(): unknown {
    this.peek();
    const start = this.at;
    const end = this.#valueEnd(start);
    const text = this.#memory.bytes.toString('utf8', start, end);
    let value: unknown = this.#policy === 'token' ? bareWords.get(text) : undefined;
    try {
      value ??= JSON.parse(text);
    } catch {
      throw this.fault('WIRE_SYNTAX');
    }
    this.at = end;
    return value;
  }

  /** Reads a value, or the values of lists, at most so many deep. */
  values(depth: number): unknown[] {
    const start = this.at;
    try {
      return [this.value()].flat(depth);
    } catch (fault) {
      if (this.#policy !== 'token') throw fault;
    }
    // It may be a bare word in a list, which JSON.parse does not take.
    this.at = start;
    const values: unknown[] = [];
    const read = (deeper: number): void => {
      if (deeper > 0 && this.isArray()) this.array(() => read(deeper - 1));
      else values.push(this.value());
    };
    read(depth);
    return values;
  }

  /**
   * Reads an element or nested arrays of elements.
   * @param path where it stands, for messages
   * @throws WireFault with the index of the element or array that is wrong
   */
  tensor(dtype: DataType, path: string): Tensor {
    if (dtype === 'string') return readStrings(this, path);
    const tensor = this.#numbers(dtype, path);
    if (this.#policy === 'reject') refuseOverflow(tensor, path);
    return tensor;
  }

  #numbers(dtype: NumericType, path: string): Tensor {
    const { shape, count, from } = this.#scan(dtype === 'float16' ? 'float64' : dtype, dtype, path);
    if (dtype === 'float16') {
      const doubles = new Float64Array(this.#memory.bytes.buffer, from, count);
      return { dtype, shape, data: Uint16Array.from(doubles, halfBits) };
    }
    const data = allocate(dtype, count);
    data.set(new arrayTypes[dtype](this.#memory.bytes.buffer, from, count) as never);
    return { dtype, shape, data };
  }

  /** After the last value: nothing but white space may follow. */
  end(): void {
    this.peek();
    if (this.at !== this.#memory.textEnd) throw this.fault('WIRE_SYNTAX');
  }

  #scan(
    as: Exclude<NumericType, 'float16'>,
    dtype: DataType,
    path: string,
  ): { shape: number[]; count: number; from: number } {
    const memory = this.#memory;
    const from = memory.elementsAt;
    const room = ((memory.textEnd - this.at) >> 1) + 2;
    memory.reserve(from + room * arrayTypes[as].BYTES_PER_ELEMENT);
    const status = memory.scan[as](this.at, from, nonFinitePolicies[this.#policy]);
    const { report } = memory;
    const position = report[REPORT_POSITION >> 2]!;
    if (status !== OK) {
      const depth = report[REPORT_DEPTH >> 2]! - (status === RAGGED ? 1 : 0);
      let place = path;
      for (let level = 1; level <= depth; level++) place += `[${report[(REPORT_PATH >> 2) + level]}]`;
      const code = faultOfStatus[status]!;
      if (status !== RAGGED) throw this.#wrongElement(code, place, dtype, position);
      const got = report[(REPORT_PATH >> 2) + depth + 1];
      const sisters = report[(REPORT_SHAPE >> 2) + depth + 1];
      throw new WireFault(code, {
        path: place,
        offset: position - HEAP,
        detail: `${got} elements, not ${sisters}`,
      });
    }
    this.at = position;
    const rank = report[REPORT_RANK >> 2]!;
    const shape: number[] = [];
    for (let axis = 1; axis <= rank; axis++) shape.push(Math.max(0, report[(REPORT_SHAPE >> 2) + axis]!));
    return { shape, count: report[REPORT_COUNT >> 2]!, from };
  }

  #wrongElement(code: WireFaultCode, path: string, expected: string, position: number): WireFault {
    const { bytes, textEnd } = this.#memory;
    const text = bytes.toString('latin1', position, Math.min(position + bytesWindow, textEnd));
    const detail = code === 'WIRE_WRONG_TYPE' && bytesPattern.test(text) ? bytesHint : '';
    return new WireFault(code, { path, expected, offset: position - HEAP, detail });
  }

  #take(byte: number): boolean {
    if (this.peek() !== byte) return false;
    this.at++;
    return true;
  }

  #expect(byte: number): void {
    if (!this.#take(byte)) throw this.fault('WIRE_SYNTAX');
  }

  /** Position after the string that starts at `start`. */
  #stringEnd(start: number): number {
    const { bytes, textEnd } = this.#memory;
    let end = bytes.indexOf(quote, start + 1);
    while (end >= 0 && end < textEnd) {
      let escapes = 0;
      while (bytes[end - 1 - escapes] === backslash) escapes++;
      if (escapes % 2 === 0) return end + 1;
      end = bytes.indexOf(quote, end + 1);
    }
    throw this.fault('WIRE_SYNTAX', '', '', textEnd);
  }

  /** Position after the value that starts at `start`, going by brackets and strings alone. */
  #valueEnd(start: number): number {
    const { bytes, textEnd } = this.#memory;
    let depth = 0;
    for (let at = start; at < textEnd; at++) {
      const byte = bytes[at]!;
      if (byte === quote) {
        at = this.#stringEnd(at) - 1;
        if (depth === 0) return at + 1;
      } else if (byte === openBrace || byte === openBracket) depth++;
      else if (byte === closeBrace || byte === closeBracket) {
        if (depth === 0) return at;
        if (--depth === 0) return at + 1;
      } else if (depth === 0 && (byte === comma || byte === colon || byte <= 0x20)) return at;
    }
    return textEnd;
  }
}
