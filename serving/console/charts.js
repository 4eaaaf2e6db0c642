import { figure, say } from './words.js';

const windowMs = 300_000;
const width = 300;
const height = 100;

/** 1, 2 or 5 times a power of ten, at least `value`. */
function niceCeiling(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1e-3)));
  return [1, 2, 5, 10].map((step) => step * power).find((each) => each >= value);
}

/** Points as an SVG path; a point without a value lifts the pen, and one alone becomes a dot. */
function pathOf(points, top) {
  let drawing = false;
  return points
    .map(([x, value]) => {
      const lifted = value === undefined;
      const command = lifted
        ? ''
        : `${drawing ? 'L' : 'M'}${x.toFixed(1)} ${(height * (1 - value / top)).toFixed(1)}h.01`;
      drawing = !lifted;
      return command;
    })
    .join('');
}

function drawChart(figureElement, lines, { unit, now, summary, area = false }) {
  const top = niceCeiling(Math.max(...lines.flatMap(({ points }) => points.map(([, value]) => value ?? 0))));
  const svg = figureElement.querySelector('svg');
  const paths = lines.map(({ name, points }) => ({ name, d: pathOf(points, top) }));
  const [first] = lines;
  if (area && first.points.length > 1) {
    const end = first.points.at(-1)[0].toFixed(1);
    const start = first.points[0][0].toFixed(1);
    paths.unshift({ name: 'area', d: `${paths[0].d}L${end} ${height}L${start} ${height}Z` });
  }
  svg.querySelector('g').replaceChildren(
    ...paths.map(({ name, d }) => {
      const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
      path.setAttribute('class', name);
      path.setAttribute('d', d);
      return path;
    }),
  );
  svg.querySelector('title').textContent = summary;
  figureElement.querySelector('[data-now]').textContent = now;
  figureElement.querySelector('[data-top]').textContent = say(unit, { value: figure(top, 3) });
}

/** Draws both charts from the console's series, one point a second. */
export function drawCharts(throughput, delay, series) {
  const end = series.at(-1)?.atMs ?? 0;
  const recent = series.filter(({ atMs }) => atMs > end - windowMs);
  const line = (name, measure) => ({
    name,
    points: recent.map((point) => [width * (1 - (end - point.atMs) / windowMs), measure(point)]),
  });
  const rates = line('rate', ({ requestsPerSecond }) => requestsPerSecond);
  const rate = recent.at(-1)?.requestsPerSecond ?? 0;
  const most = Math.max(0, ...recent.map(({ requestsPerSecond }) => requestsPerSecond));
  drawChart(throughput, [rates], {
    unit: 'requestsPerSecond',
    now: say('requestsPerSecond', { value: figure(rate) }),
    summary: say('throughputSummary', { now: figure(rate), most: figure(most) }),
    area: true,
  });
  // A second without a request has no latency.
  const ifAny = (key) => (point) => (point.requestsPerSecond > 0 ? point[key] : undefined);
  const last = recent.findLast(({ requestsPerSecond }) => requestsPerSecond > 0);
  const p50 = last === undefined ? '–' : figure(last.p50Ms);
  const p99 = last === undefined ? '–' : figure(last.p99Ms);
  drawChart(delay, [line('p99', ifAny('p99Ms')), line('p50', ifAny('p50Ms'))], {
    unit: 'milliseconds',
    now: say('milliseconds', { value: p50 === p99 ? p50 : `${p50} / ${p99}` }),
    summary: say('latencySummary', { p50, p99 }),
  });
}
