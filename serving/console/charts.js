const svg = 'http://www.w3.org/2000/svg';

function element(name, attributes, text) {
  const made = document.createElementNS(svg, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  if (text !== undefined) made.textContent = text;
  return made;
}

/** One bar a class. */
export function drawBars(target, shares) {
  const best = shares.indexOf(Math.max(...shares));
  const height = 17;
  target.setAttribute('viewBox', `0 0 300 ${height * shares.length + 2}`);
  target.replaceChildren(
    ...shares.flatMap((share, i) => [
      element('text', { x: 14, y: i * height + 13, 'text-anchor': 'end' }, i),
      element('rect', {
        x: 20,
        y: i * height + 3,
        width: Math.max(1, share * 220),
        height: 12,
        rx: 3,
        class: i === best ? 'bar best' : 'bar',
      }),
      element(
        'text',
        { x: 26 + share * 220, y: i * height + 13 },
        `${(100 * share).toFixed(share > 0.0995 ? 0 : 1)} %`,
      ),
    ]),
  );
}

/** A number that the top of a chart may be: 1, 2 or 5 times a power of ten. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1e-9)));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}

/** Lines over time, newest at the right; `lines` is class -> values. */
export function drawLines(target, lines, unit, slots) {
  const [left, right, top, bottom] = [44, 478, 8, 108];
  const max = roundUp(Math.max(1, ...Object.values(lines).flat()));
  const x = (i, count) => right - ((count - 1 - i) * (right - left)) / (slots - 1);
  const y = (value) => bottom - (value / max) * (bottom - top);
  const grid = [0, 0.5, 1].flatMap((share) => [
    element('line', { x1: left, x2: right, y1: y(share * max), y2: y(share * max), class: 'grid' }),
    element(
      'text',
      { x: left - 6, y: y(share * max) + 4, 'text-anchor': 'end' },
      `${Number((share * max).toPrecision(2))}${unit}`,
    ),
  ]);
  const paths = Object.entries(lines).map(([name, values]) =>
    element('polyline', {
      class: `line ${name}`,
      points: values.map((value, i) => `${x(i, values.length).toFixed(1)},${y(value).toFixed(1)}`).join(' '),
    }),
  );
  target.replaceChildren(...grid, ...paths);
}
