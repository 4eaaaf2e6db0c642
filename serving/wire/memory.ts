import { HEAP } from './assembly/layout.ts';
import { WireFault } from './faults.ts';
import { scannerWasm } from './generated/scanner-wasm.ts';
import { assemblyTables } from './tables.ts';
import type { NumericType } from './tensor.ts';

type Scan = (at: number, out: number, policy: number) => number;
type Write = (data: number, rank: number, out: number, policy: number) => number;
type ScanType = Exclude<NumericType, 'float16'>;
type WriteType = Exclude<ScanType, 'float64'>;
type Assembly = { readonly memory: WebAssembly.Memory } & Readonly<Record<`scan_${ScanType}`, Scan>> &
  Readonly<Record<`write_${WriteType}`, Write>>;

const pageBytes = 65536;
/** Bytes beyond the text that the assembly may read: its end mark and the rest of a block of 64. */
const tailBytes = 128;
/** An instance that had to grow beyond this is dropped after use: WebAssembly memory never shrinks. */
const keptBytes = 32 * 1024 * 1024;

let compiled: WebAssembly.Module | undefined;

/** One instance of the assembly with its memory: `[tables | text | elements]`. Used by one request at a time, synchronously. */
export class WireMemory {
  readonly assembly: Assembly;
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
    this.assembly = instance.exports as Assembly;
    this.assembly.memory.grow(16);
    this.bytes = Buffer.from(this.assembly.memory.buffer);
    this.report = new Int32Array(this.assembly.memory.buffer, 0, 128);
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
    const { memory } = this.assembly;
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
