/** One line of a picture. */
export interface Bar {
  readonly label: string;
  readonly value: number;
  readonly text: string;
  readonly isOurs: boolean;
}

/** Horizontal bars, plain SVG that reads on light and dark pages. */
export function bars(title: string, rows: readonly Bar[]): string {
  const [left, width, step] = [230, 420, 28];
  const longest = Math.max(...rows.map(({ value }) => value));
  const lines = rows.map(({ label, value, text, isOurs }, i) => {
    const y = 40 + i * step;
    const length = Math.max(1, (width * value) / longest);
    return [
      `<text x="${left - 8}" y="${y + 14}" text-anchor="end">${label}</text>`,
      `<rect x="${left}" y="${y}" width="${length.toFixed(1)}" height="20" fill="${isOurs ? '#2f6fdf' : '#9aa4b2'}"/>`,
      `<text x="${(left + length + 6).toFixed(1)}" y="${y + 14}">${text}</text>`,
    ].join('');
  });
  const height = 50 + rows.length * step;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 740 ${height}" width="740" height="${height}" font-family="system-ui, sans-serif" font-size="13" fill="#5b6573">` +
    `<text x="8" y="22" font-size="15" font-weight="600">${title}</text>${lines.join('')}</svg>\n`
  );
}
