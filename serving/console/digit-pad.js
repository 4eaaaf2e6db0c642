/** Size of the picture that the model takes. */
const size = 28;
/** As samples/digits draws them: the ink fits this box around the middle, with a pen of this width; all in pixels of the picture. */
const box = { width: 15, height: 18 };
const penWidth = 2.5;
/** Of the pen on the paper, as a part of the paper's side. */
const paperPen = 0.055;

function tracePaths(context, strokes, place) {
  for (const stroke of strokes) {
    context.beginPath();
    stroke.forEach((point, i) => {
      const [x, y] = place(point);
      if (i === 0) context.moveTo(x, y);
      context.lineTo(x, y);
    });
    context.stroke();
  }
}

function setPen(context, width, color) {
  context.lineCap = 'round';
  context.lineJoin = 'round';
  context.lineWidth = width;
  context.strokeStyle = color;
}

/**
 * Draws strokes ([x, y] in the unit square) as the model was taught: as large as its training data, in the middle, white on black. The
 * pen's path is scaled, not a picture of it, so that the line is as thick whether the digit was drawn small or large.
 */
function drawSeen(context, strokes) {
  context.fillStyle = '#000';
  context.fillRect(0, 0, size, size);
  const points = strokes.flat();
  const bounds = [0, 1].map((axis) => {
    const values = points.map((point) => point[axis]);
    return { from: Math.min(...values), to: Math.max(...values) };
  });
  const [x, y] = bounds;
  const scale = Math.min(
    (box.width - penWidth) / Math.max(x.to - x.from, 0.02),
    (box.height - penWidth) / Math.max(y.to - y.from, 0.02),
    3 * size,
  );
  setPen(context, penWidth, '#fff');
  tracePaths(context, strokes, (point) =>
    point.map((value, axis) => size / 2 + (value - (bounds[axis].from + bounds[axis].to) / 2) * scale),
  );
}

/** A sheet of paper to draw one digit on. `onDrawn` is called after each stroke. */
export class DigitPad {
  #paper;
  #seen;
  #onDrawn;
  #strokes = [];
  #pointer;

  constructor(paper, seen, onDrawn) {
    this.#paper = paper;
    this.#seen = seen.getContext('2d', { willReadFrequently: true });
    this.#onDrawn = onDrawn;
    paper.addEventListener('pointerdown', (event) => this.#begin(event));
    paper.addEventListener('pointermove', (event) => this.#move(event));
    for (const type of ['pointerup', 'pointercancel'])
      paper.addEventListener(type, (event) => this.#end(event));
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#redraw());
    this.clear();
  }

  get isEmpty() {
    return this.#strokes.length === 0;
  }

  #pointOf(event) {
    const { left, top, width, height } = this.#paper.getBoundingClientRect();
    return [(event.clientX - left) / width, (event.clientY - top) / height];
  }

  #begin(event) {
    // One pen at a time: a resting palm draws nothing.
    if (this.#pointer !== undefined || event.button !== 0) return;
    event.preventDefault();
    this.#pointer = event.pointerId;
    this.#paper.setPointerCapture(event.pointerId);
    this.#strokes.push([this.#pointOf(event)]);
    this.#redraw();
  }

  #move(event) {
    if (event.pointerId !== this.#pointer) return;
    const fine = event.getCoalescedEvents?.() ?? [];
    for (const each of fine.length > 0 ? fine : [event]) this.#strokes.at(-1)?.push(this.#pointOf(each));
    this.#redraw();
  }

  #end(event) {
    if (event.pointerId !== this.#pointer) return;
    this.#pointer = undefined;
    // Nothing is left of it where the paper was cleared meanwhile.
    if (!this.isEmpty) this.#onDrawn();
  }

  #redraw() {
    const { width } = this.#paper;
    const context = this.#paper.getContext('2d');
    context.clearRect(0, 0, width, width);
    setPen(context, width * paperPen, getComputedStyle(this.#paper).color);
    tracePaths(context, this.#strokes, (point) => point.map((value) => value * width));
    this.#paper.parentElement?.classList.toggle('drawn', !this.isEmpty);
    if (this.isEmpty) this.#seen.clearRect(0, 0, size, size);
    else drawSeen(this.#seen, this.#strokes);
  }

  clear() {
    this.#strokes = [];
    this.#redraw();
  }

  /** Writes strokes on fresh paper, as a pen would. */
  async write(strokes, { animate = !matchMedia('(prefers-reduced-motion: reduce)').matches } = {}) {
    this.clear();
    const mine = [];
    this.#strokes = mine;
    for (const stroke of strokes) {
      const growing = [];
      mine.push(growing);
      for (let i = 0; i < stroke.length; i += 3) {
        growing.push(...stroke.slice(i, i + 3));
        if (!animate) continue;
        await new Promise(requestAnimationFrame);
        // Somebody cleared the paper, or draws now.
        if (this.#strokes !== mine || this.#pointer !== undefined) return;
        this.#redraw();
      }
    }
    this.#redraw();
    this.#onDrawn();
  }

  /** 784 numbers from 0 to 1, row by row. */
  pixels() {
    const { data } = this.#seen.getImageData(0, 0, size, size);
    return Array.from({ length: size * size }, (_, i) => Math.round((data[4 * i] / 255) * 1e4) / 1e4);
  }
}
