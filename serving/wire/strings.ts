import type { WireFault, WireFaultCode } from './faults.ts';
import type { Tensor } from './tensor.ts';

/**
 * What base64 stands for, with or without its padding; undefined where it is none. Decoding leaves out what is none, so that less
 * comes than its length promises: a pattern for it runs out of stack at some megabytes.
 */
function decodeBase64(text: string): Buffer | undefined {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  if (padding > 0 && text.length % 4 !== 0) return undefined;
  const digits = text.length - padding;
  const bytes = Buffer.from(text, 'base64');
  const isWhole = digits % 4 !== 1 && bytes.length === Math.floor((digits * 3) / 4);
  // The decoder takes base64url, too.
  return isWhole && !/[-_]/.test(text) ? bytes : undefined;
}

/** What strings are read with; JsonReader has it. */
interface TextSource {
  isArray(): boolean;
  isObject(): boolean;
  array(onElement: (index: number) => void): number;
  object(onKey: (key: string) => void): void;
  string(path: string): string;
  fault(code: WireFaultCode, path: string, expected?: string): WireFault;
}

/** Reads a string tensor: text as JSON strings, bytes as `{"b64": "..."}`, alone or in nested arrays of one shape. */
export function readStrings(reader: TextSource, path: string): Tensor {
  const data: (string | Uint8Array)[] = [];
  const shape: number[] = [];
  let rank = -1;

  const read = (depth: number, place: string): void => {
    if (!reader.isArray()) {
      if (rank < 0) rank = depth;
      if (depth !== rank) throw reader.fault('WIRE_TOO_SHALLOW', place);
      data.push(readElement(reader, place));
      return;
    }
    if (depth === rank) throw reader.fault('WIRE_TOO_DEEP', place);
    if (depth === 32) throw reader.fault('WIRE_TOO_MANY_AXES', place);
    const length = reader.array((index) => read(depth + 1, `${place}[${index}]`));
    if (rank < 0) rank = depth + 1;
    shape[depth] ??= length;
    if (shape[depth] !== length) throw reader.fault('WIRE_RAGGED', place);
  };
  read(0, path);
  return { dtype: 'string', shape: shape.slice(0, rank), data };
}

function readElement(reader: TextSource, path: string): string | Uint8Array {
  if (!reader.isObject()) return reader.string(path);
  let bytes: Uint8Array | undefined;
  reader.object((key) => {
    if (key !== 'b64') throw reader.fault('WIRE_WRONG_TYPE', path, 'string');
    bytes = decodeBase64(reader.string(path));
    if (bytes === undefined) throw reader.fault('WIRE_BASE64', path);
  });
  if (!bytes) throw reader.fault('WIRE_WRONG_TYPE', path, 'string');
  return bytes;
}
