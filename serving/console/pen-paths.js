/** A way to write each digit: strokes through points of the unit square, x to the right, y down. */
const paths = [
  [[0.5, 0.05, 0.18, 0.15, 0.12, 0.5, 0.2, 0.88, 0.5, 0.95, 0.82, 0.88, 0.88, 0.5, 0.82, 0.12, 0.5, 0.05]],
  [[0.3, 0.25, 0.52, 0.05, 0.52, 0.5, 0.52, 0.95]],
  [
    [0.15, 0.25, 0.32, 0.05, 0.75, 0.06, 0.82, 0.32, 0.55, 0.62, 0.14, 0.95],
    [0.14, 0.95, 0.88, 0.95],
  ],
  [[0.15, 0.12, 0.5, 0.02, 0.85, 0.15, 0.8, 0.42, 0.42, 0.48, 0.84, 0.55, 0.9, 0.8, 0.55, 0.98, 0.12, 0.88]],
  [
    [0.62, 0.05, 0.12, 0.62],
    [0.12, 0.62, 0.92, 0.62],
    [0.66, 0.32, 0.66, 0.96],
  ],
  [
    [0.82, 0.05, 0.25, 0.05],
    [0.25, 0.05, 0.2, 0.45],
    [0.2, 0.45, 0.6, 0.35, 0.9, 0.6, 0.75, 0.92, 0.4, 0.98, 0.12, 0.86],
  ],
  [[0.72, 0.05, 0.35, 0.25, 0.13, 0.65, 0.3, 0.95, 0.7, 0.95, 0.85, 0.7, 0.65, 0.48, 0.3, 0.55, 0.16, 0.75]],
  [
    [0.12, 0.07, 0.88, 0.07],
    [0.88, 0.07, 0.55, 0.45, 0.4, 0.96],
  ],
  [
    [
      0.5, 0.48, 0.2, 0.32, 0.25, 0.06, 0.6, 0.02, 0.82, 0.2, 0.7, 0.4, 0.5, 0.48, 0.2, 0.62, 0.14, 0.85,
      0.45, 0.98, 0.82, 0.88, 0.82, 0.65, 0.5, 0.48,
    ],
  ],
  [[0.8, 0.28, 0.55, 0.04, 0.2, 0.15, 0.2, 0.45, 0.55, 0.52, 0.8, 0.28, 0.8, 0.6, 0.68, 0.96]],
];

/** Chaikin's corner cutting. */
function smooth(points) {
  const cut = points.slice(1).flatMap(([x1, y1], i) => {
    const [x0, y0] = points[i];
    return [
      [0.75 * x0 + 0.25 * x1, 0.75 * y0 + 0.25 * y1],
      [0.25 * x0 + 0.75 * x1, 0.25 * y0 + 0.75 * y1],
    ];
  });
  return [points[0], ...cut, points.at(-1)];
}

/** A digit as somebody might write it: strokes of [x, y] in the unit square. `random` gives numbers from 0 to 1. */
export function writeDigit(digit, random = Math.random) {
  const shake = () => (random() - 0.5) * 0.06;
  const slant = (random() - 0.5) * 0.3;
  return paths[digit].map((flat) => {
    let points = [];
    for (let i = 0; i < flat.length; i += 2) points.push([flat[i] + shake(), flat[i + 1] + shake()]);
    for (let round = 0; round < 3; round++) points = smooth(points);
    return points.map(([x, y]) => [0.5 + (x - 0.5) * 0.52 - (y - 0.5) * slant, 0.5 + (y - 0.5) * 0.72]);
  });
}
