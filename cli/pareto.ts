import type { Candidate, Choice } from '../conversion/index.ts';
import { percent } from './figures.ts';

const megabytes = (bytes: number) =>
  bytes < 1e6 ? `${Math.round(bytes / 1e3)} KB` : `${(bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 1)} MB`;
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

type Measured = Candidate & { readonly sizeBytes: number; readonly oneRowMs: number };

/** Those that no other beats in both size and time, smallest first. */
function front(points: readonly Measured[]): Measured[] {
  const beaten = ({ sizeBytes, oneRowMs }: Measured) =>
    points.some(
      (other) =>
        other.sizeBytes <= sizeBytes &&
        other.oneRowMs <= oneRowMs &&
        (other.sizeBytes < sizeBytes || other.oneRowMs < oneRowMs),
    );
  return points.filter((point) => !beaten(point)).sort((a, b) => a.sizeBytes - b.sizeBytes);
}

/** What stands beside a point. */
function legend({ method, sizeBytes, oneRowMs, maxRelError, accuracy }: Measured): string {
  const judged = accuracy === undefined ? `error ${percent(maxRelError!)}` : `accuracy ${percent(accuracy)}`;
  return `${method}: ${megabytes(sizeBytes)}, ${milliseconds(oneRowMs)} ms, ${judged}`;
}

/** Room for a plot, in pixels: labels stand in a column right of it, so that points that lie together can be told apart. */
const plot = { left: 80, top: 50, width: 400, height: 260, labels: 520, lineHeight: 22 };

/** The same as a picture: size across, time of one row up; lower left is better, and the line joins what nothing else beats. */
export function paretoSvg({ chosen, candidates }: Choice): string {
  const { left, top, width, height, labels, lineHeight } = plot;
  const points = candidates.filter(
    (candidate): candidate is Measured =>
      candidate.sizeBytes !== undefined && candidate.oneRowMs !== undefined,
  );
  const largest = Math.max(...points.map(({ sizeBytes }) => sizeBytes));
  const slowest = Math.max(...points.map(({ oneRowMs }) => oneRowMs));
  // A little room beyond the outermost points.
  const x = (bytes: number) => left + (0.95 * width * bytes) / largest;
  const y = (ms: number) => top + height - (0.95 * height * ms) / slowest;
  const at = (point: Measured) => `${x(point.sizeBytes).toFixed(1)},${y(point.oneRowMs).toFixed(1)}`;
  const grid = [0.25, 0.5, 0.75, 1].map((share) => {
    const [column, line] = [x(share * largest).toFixed(1), y(share * slowest).toFixed(1)];
    return (
      `<path d="M${column} ${top}V${top + height}M${left} ${line}H${left + width}" stroke="#9aa4b2" stroke-opacity="0.25"/>` +
      `<text x="${column}" y="${top + height + 18}" text-anchor="middle">${megabytes(share * largest)}</text>` +
      `<text x="${left - 8}" y="${Number(line) + 4}" text-anchor="end">${milliseconds(share * slowest)} ms</text>`
    );
  });
  let free = top;
  const dots = points
    .toSorted((a, b) => b.oneRowMs - a.oneRowMs)
    .map((point) => {
      const isChosen = point.method === chosen.method;
      const isOut = point.why !== undefined;
      const line = Math.max(free, y(point.oneRowMs));
      free = line + lineHeight;
      const fill = isChosen ? '#2f6fdf' : isOut ? 'none' : '#9aa4b2';
      const [cx, cy] = at(point).split(',');
      return (
        `<path d="M${cx} ${cy}L${labels - 8} ${line.toFixed(1)}" stroke="#9aa4b2" stroke-opacity="0.5" fill="none"/>` +
        `<circle cx="${cx}" cy="${cy}" r="${isChosen ? 8 : 5}" fill="${fill}" stroke="${isChosen ? '#2f6fdf' : '#9aa4b2'}" stroke-width="2"/>` +
        `<text x="${labels}" y="${(line + 4).toFixed(1)}"${isChosen ? ' font-weight="600" fill="#2f6fdf"' : ''}>${legend(point)}${isOut ? ' (refused)' : ''}</text>`
      );
    });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 360" width="900" height="360" font-family="system-ui, sans-serif" font-size="13" fill="#5b6573">` +
    `<text x="${left}" y="28" font-size="15" font-weight="600">Size and time of one row by method; lower left is better</text>` +
    `<path d="M${left} ${top}V${top + height}H${left + width}" fill="none" stroke="#9aa4b2"/>` +
    `${grid.join('')}<polyline points="${front(points).map(at).join(' ')}" fill="none" stroke="#2f6fdf" stroke-dasharray="4 4"/>` +
    `${dots.join('')}</svg>\n`
  );
}
