import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { cellsOf } from './csv.ts';
import { BadInput, rowsAtOnce, type Source } from './record.ts';

/** Longest record: an image in base64 is the largest that there is. */
const maxRecordBytes = 64 * 1024 * 1024;
/** Text that is handed on at once, where the records are long. */
const bytesAtOnce = 1024 * 1024;

const newline = 0x0a;
const quote = 0x22;

interface Record_ {
  readonly text: string;
  readonly end: number;
}

/** Whether there are an odd number of quotes: the record goes on in the next line. */
function isOpen(bytes: Buffer, from: number, to: number): boolean {
  let count = 0;
  for (let at = bytes.indexOf(quote, from); at >= 0 && at < to; at = bytes.indexOf(quote, at + 1)) count++;
  return count % 2 === 1;
}

/** Records one by one; a line break within quotes does not end a record of CSV. */
async function* records(path: string, isCsv: boolean): AsyncGenerator<Record_> {
  let rest: Buffer = Buffer.alloc(0);
  let read = 0;
  const cut = (bytes: Buffer) => bytes.toString('utf8').replace(/\r$/, '');
  for await (const block of createReadStream(path, { highWaterMark: bytesAtOnce })) {
    const bytes: Buffer = rest.length === 0 ? block : Buffer.concat([rest, block]);
    let start = 0;
    let end = bytes.indexOf(newline);
    let from = 0;
    while (end >= 0) {
      if (isCsv && isOpen(bytes, start, end)) from = end + 1;
      else {
        yield { text: cut(bytes.subarray(start, end)), end: read + end + 1 };
        start = end + 1;
        from = start;
      }
      end = bytes.indexOf(newline, from);
    }
    rest = bytes.subarray(start);
    read += start;
    if (rest.length > maxRecordBytes) throw new BadInput(`a record is longer than ${maxRecordBytes} bytes`);
  }
  if (rest.length > 0) yield { text: cut(rest), end: read + rest.length };
}

const isBlank = (text: string) => text.trim() === '';
const withoutMark = (text: string) => text.replace(/^\uFEFF/, '');

/** The names in the first record; undefined where all its cells are numbers, so that it is a row. */
async function headOf(path: string): Promise<readonly string[] | undefined> {
  for await (const { text } of records(path, true)) {
    if (isBlank(text)) continue;
    const cells = cellsOf(withoutMark(text));
    const areNumbers = cells.every((cell) => cell.trim() !== '' && Number.isFinite(Number(cell)));
    return areNumbers ? undefined : cells.map((cell) => cell.trim());
  }
  throw new BadInput('it has no rows');
}

/** CSV or JSON lines. @throws BadInput */
export async function openLines(path: string, format: 'csv' | 'jsonl'): Promise<Source> {
  const { size } = await stat(path);
  const columns = format === 'csv' ? await headOf(path) : undefined;
  return {
    format,
    sizeBytes: size,
    columns,
    async *read(skip) {
      let toSkip = skip + (columns === undefined ? 0 : 1);
      let lines: string[] = [];
      let bytes = 0;
      let bytesRead = 0;
      for await (const { text, end } of records(path, format === 'csv')) {
        if (isBlank(text)) continue;
        if (toSkip-- > 0) continue;
        lines.push(withoutMark(text));
        bytes += text.length;
        bytesRead = end;
        if (lines.length < rowsAtOnce && bytes < bytesAtOnce) continue;
        yield { rows: { kind: 'lines', lines }, bytesRead };
        lines = [];
        bytes = 0;
      }
      if (lines.length > 0) yield { rows: { kind: 'lines', lines }, bytesRead };
    },
  };
}
