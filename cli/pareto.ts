import type { Candidate, Choice } from '../conversion/index.ts';
import { percent } from './figures.ts';

const milliseconds = (value: number) => value.toFixed(value < 1 ? 3 : 1);

/** The candidates as lines: size, time, error, accuracy, and why one is not chosen. */
export function paretoLines({ chosen, candidates }: Choice): string[] {
  return candidates.map((candidate) => {
    const { method, sizeBytes, oneRowMs, sixteenRowsMs, maxRelError, accuracy, why } = candidate;
    const mark = candidate.method === chosen.method ? '*' : ' ';
    if (sizeBytes === undefined) return `${mark} ${method.padEnd(14)} ${why}`;
    const columns = [
      `${mark} ${method.padEnd(14)}`,
      `${sizeBytes} bytes`.padStart(16),
      `${milliseconds(oneRowMs!)} ms`.padStart(10),
      `${milliseconds(sixteenRowsMs!)} ms`.padStart(10),
      `error ${percent(maxRelError!)}`.padStart(16),
      accuracy === undefined ? '' : `accuracy ${percent(accuracy)}`.padStart(18),
      why === undefined ? '' : `  ${why}`,
    ];
    return columns.join(' ').trimEnd();
  });
}

/** The same as a picture: size across, time of one row up; lower left is better. */
export function paretoSvg({ chosen, candidates }: Choice): string {
  const points = candidates.filter(
    (candidate): candidate is Candidate & { sizeBytes: number; oneRowMs: number } =>
      candidate.sizeBytes !== undefined && candidate.oneRowMs !== undefined,
  );
  const [left, top, width, height] = [70, 50, 480, 260];
  const largest = Math.max(...points.map(({ sizeBytes }) => sizeBytes));
  const slowest = Math.max(...points.map(({ oneRowMs }) => oneRowMs));
  const x = (bytes: number) => left + (width * bytes) / largest;
  const y = (ms: number) => top + height - (height * ms) / slowest;
  const dots = points.map(({ method, sizeBytes, oneRowMs, maxRelError }) => {
    const [cx, cy] = [x(sizeBytes).toFixed(1), y(oneRowMs).toFixed(1)];
    const isChosen = method === chosen.method;
    return (
      `<circle cx="${cx}" cy="${cy}" r="${isChosen ? 8 : 5}" fill="${isChosen ? '#2f6fdf' : '#9aa4b2'}"/>` +
      `<text x="${Number(cx) + 12}" y="${Number(cy) + 4}">${method}, error ${percent(maxRelError!)}</text>`
    );
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 370" width="760" height="370" font-family="system-ui, sans-serif" font-size="13" fill="#5b6573">` +
    `<text x="${left}" y="28" font-size="15" font-weight="600">Size and time of each method; lower left is better</text>` +
    `<path d="M${left} ${top}V${top + height}H${left + width}" fill="none" stroke="#9aa4b2"/>` +
    `<text x="${left + width}" y="${top + height + 20}" text-anchor="end">${largest} bytes</text>` +
    `<text x="${left - 8}" y="${top + 5}" text-anchor="end">${milliseconds(slowest)} ms</text>` +
    `${dots.join('')}</svg>\n`
  );
}
