import type { WireFault, WireFaultCode } from './faults.ts';
import type { Tensor } from './tensor.ts';

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/;

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
    const text = reader.string(path);
    if (!base64.test(text)) throw reader.fault('WIRE_BASE64', path);
    bytes = Buffer.from(text, 'base64');
  });
  if (!bytes) throw reader.fault('WIRE_WRONG_TYPE', path, 'string');
  return bytes;
}
