/** The cells of one record of CSV (RFC 4180): commas between them, quotes around those that hold commas, quotes or line breaks. */
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
    const close = end < 0 ? record.length : end;
    cell += record.slice(at + 1, close);
    cells.push(cell);
    const comma = record.indexOf(',', close);
    at = comma < 0 ? record.length + 1 : comma + 1;
  } while (at <= record.length);
  return cells;
}
