import { HEAP } from './assembly/layout.ts';
import { WireFault } from './faults.ts';
import { scannerWasm } from './generated/scanner-wasm.ts';
import { assemblyTables } from './tables.ts';
import type { NumericType } from './tensor.ts';

type Scan = (at: number, out: number, policy: number) => number;
type Write = (data: number, rank: number, out: number, policy: number) => number;
type ScanType = Exclude<NumericType, 'float16'>;
type WriteType = Exclude<ScanType, 'float64'>;
type Assembly = { readonly memory: WebAssembly.Memory } & Readonly<Record<string, unknown>>;

const pageBytes = 65536;
/** Bytes beyond the text that the assembly may read: its end mark and the rest of a block of 64. */
const tailBytes = 128;
/** An instance that had to grow beyond this is dropped after use: WebAssembly memory never shrinks. */
const keptBytes = 32 * 1024 * 1024;

let compiled: WebAssembly.Module | undefined;

/** The functions of the assembly that are named so, by type: a name that is put together costs more than a small tensor. */
function byType<T>(assembly: Assembly, prefix: string): T {
  const named = Object.entries(assembly).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(named.map(([name, call]) => [name.slice(prefix.length), call])) as T;
}

/** One instance of the assembly with its memory: `[tables | text | elements]`. Used by one request at a time, synchronously. */
export class WireMemory {
  readonly scan: Readonly<Record<ScanType, Scan>>;
  readonly write: Readonly<Record<WriteType, Write>>;
  readonly #memory: WebAssembly.Memory;
  /** All of the memory; a new view after each growth. */
  bytes: Buffer<ArrayBuffer>;
  report: Int32Array;
  /** First byte after the text. */
  textEnd = HEAP;

  constructor() {
    compiled ??= new WebAssembly.Module(Buffer.from(scannerWasm, 'base64'));
    const instance = new WebAssembly.Instance(compiled, {
      host: {
        number: (start: number, end: number) => Number(this.bytes.toString('latin1', start >>> 0, end >>> 0)),
      },
    });
    const assembly = instance.exports as Assembly;
    this.scan = byType(assembly, 'scan_');
    this.write = byType(assembly, 'write_');
    this.#memory = assembly.memory;
    this.#memory.grow(16);
    this.bytes = Buffer.from(this.#memory.buffer);
    this.report = new Int32Array(this.#memory.buffer, 0, 128);
    this.bytes.set(assemblyTables());
  }

  /** Takes the parts of one body, in order. */
  load(parts: readonly Uint8Array[]): void {
    let length = 0;
    for (const part of parts) length += part.length;
    this.reserve(HEAP + length + tailBytes);
    let at = HEAP;
    for (const part of parts) {
      this.bytes.set(part, at);
      at += part.length;
    }
    this.textEnd = at;
    this.bytes[at] = 0;
    this.bytes[at + 1] = 0x2c;
  }

  /** Where elements may be written, aligned for every type. */
  get elementsAt(): number {
    return (this.textEnd + tailBytes + 15) & ~15;
  }

  /** Makes at least `end` bytes of memory. */
  reserve(end: number): void {
    const memory = this.#memory;
    if (memory.buffer.byteLength >= end) return;
    try {
      memory.grow(Math.ceil((end - memory.buffer.byteLength) / pageBytes));
    } catch {
      throw new WireFault('WIRE_TOO_LARGE', { detail: `${end} bytes are needed` });
    }
    this.bytes = Buffer.from(memory.buffer);
    this.report = new Int32Array(memory.buffer, 0, 128);
  }
}

let current: WireMemory | undefined;

/** The instance to use for the next piece of synchronous work. What it holds is gone with the next call. */
export function wireMemory(): WireMemory {
  if (!current || current.bytes.length > keptBytes) current = new WireMemory();
  return current;
}
