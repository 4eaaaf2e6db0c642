import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { cellsOf, isOpenBehind } from './csv.ts';
import { BadInput, bytesAtOnce, rowsAtOnce, type Source } from './record.ts';

/** Longest record: an image in base64 is the largest that there is. */
const maxRecordBytes = 64 * 1024 * 1024;

const newline = 0x0a;
const byteOrderMark = Buffer.from('\uFEFF');

interface Record_ {
  readonly text: string;
  readonly end: number;
}

/** Records one by one; a line break within quotes does not end a record of CSV. */
async function* records(path: string, isCsv: boolean): AsyncGenerator<Record_> {
  let rest: Buffer = Buffer.alloc(0);
  let read = 0;
  /** Behind the lines of the record that are there already, and whether quotes are open there. */
  let from = 0;
  let isOpen = false;
  const cut = (bytes: Buffer) => {
    // Other text would be decoded to words that nobody wrote.
    if (!isUtf8(bytes)) throw new BadInput(`the record at or behind byte ${read} is not in UTF-8`);
    return bytes.toString('utf8').replace(/\r$/, '');
  };
  for await (const block of createReadStream(path, { highWaterMark: bytesAtOnce })) {
    const bytes: Buffer = rest.length === 0 ? block : Buffer.concat([rest, block]);
    const hasMark = read === 0 && bytes.subarray(0, byteOrderMark.length).equals(byteOrderMark);
    let start = hasMark ? byteOrderMark.length : 0;
    from = Math.max(from, start);
    for (let end = bytes.indexOf(newline, from); end >= 0; end = bytes.indexOf(newline, from)) {
      isOpen = isCsv && isOpenBehind(bytes.subarray(from, end), isOpen);
      from = end + 1;
      if (isOpen) continue;
      yield { text: cut(bytes.subarray(start, end)), end: read + end + 1 };
      start = from;
    }
    rest = bytes.subarray(start);
    read += start;
    from -= start;
    if (rest.length > maxRecordBytes) {
      const open = isOpen ? ', and has quotes that do not end' : '';
      throw new BadInput(`the record at byte ${read} is longer than ${maxRecordBytes} bytes${open}`);
    }
  }
  if (rest.length > 0) yield { text: cut(rest), end: read + rest.length };
}

const isBlank = (text: string) => text.trim() === '';

/** The names in the first record; undefined where all its cells are numbers, so that it is a row. */
async function headOf(path: string): Promise<readonly string[] | undefined> {
  for await (const { text } of records(path, true)) {
    if (isBlank(text)) continue;
    const cells = cellsOf(text);
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
        lines.push(text);
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
