import { BadInput } from './record.ts';

const comma = 0x2c;
const quote = 0x22;

/**
 * Whether CSV is within quotes at the end of a line, so that the record goes on in the next. Quotes begin where a cell begins; elsewhere
 * they are text, as 5" is.
 * @param isOpen whether it is at the line's beginning
 */
export function isOpenBehind(line: Buffer, isOpen: boolean): boolean {
  let isWithin = isOpen;
  for (let at = line.indexOf(quote); at >= 0; at = line.indexOf(quote, at + 1)) {
    if (!isWithin) isWithin = at === 0 || line[at - 1] === comma;
    else if (line[at + 1] === quote) at++;
    else isWithin = false;
  }
  return isWithin;
}

/**
 * The cells of one record of CSV (RFC 4180): commas between them, quotes around those that hold commas, quotes or line breaks.
 * @throws BadInput where quotes do not end, or end before their cell does
 */
export function cellsOf(record: string): string[] {
  const cells: string[] = [];
  let at = 0;
  do {
    if (record[at] !== '"') {
      const comma = record.indexOf(',', at);
      const end = comma < 0 ? record.length : comma;
      cells.push(record.slice(at, end));
      at = end + 1;
      continue;
    }
    let cell = '';
    let end = record.indexOf('"', at + 1);
    while (end >= 0 && record[end + 1] === '"') {
      cell += record.slice(at + 1, end + 1);
      at = end + 1;
      end = record.indexOf('"', at + 1);
    }
    if (end < 0) throw new BadInput('it has quotes that do not end');
    cells.push(cell + record.slice(at + 1, end));
    at = end + 2;
    if (at <= record.length && record[end + 1] !== ',')
      throw new BadInput('it has a cell that goes on behind its quotes');
  } while (at <= record.length);
  return cells;
}
