/** Side of the images that the sample's model was trained on, and of the digit in it. */
const side = 28;
const digitSide = 19;

/** Lets a person draw on a canvas; calls `done` when the pen is lifted. */
export function makeDrawable(canvas, done) {
  const context = canvas.getContext('2d', { willReadFrequently: true });
  Object.assign(context, {
    lineWidth: 20,
    lineCap: 'round',
    lineJoin: 'round',
    strokeStyle: '#fff',
    fillStyle: '#000',
  });
  const clear = () => context.fillRect(0, 0, canvas.width, canvas.height);
  clear();
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) * canvas.width) / box.width,
      ((event.clientY - box.top) * canvas.height) / box.height,
    ];
  };
  let drawing = false;
  canvas.addEventListener('pointerdown', (event) => {
    drawing = true;
    canvas.setPointerCapture(event.pointerId);
    context.beginPath();
    context.moveTo(...at(event));
    context.lineTo(...at(event));
    context.stroke();
  });
  canvas.addEventListener('pointermove', (event) => {
    if (!drawing) return;
    context.lineTo(...at(event));
    context.stroke();
  });
  for (const type of ['pointerup', 'pointercancel']) {
    canvas.addEventListener(type, () => {
      if (drawing) done();
      drawing = false;
    });
  }
  return { clear };
}

/** The box around everything that is drawn; undefined for an empty canvas. */
function inkBox({ data, width, height }) {
  const box = { left: width, top: height, right: -1, bottom: -1 };
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (data[4 * (y * width + x)] < 40) continue;
      box.left = Math.min(box.left, x);
      box.right = Math.max(box.right, x);
      box.top = Math.min(box.top, y);
      box.bottom = Math.max(box.bottom, y);
    }
  }
  return box.right < 0 ? undefined : box;
}

/** The drawing as the model takes it: 784 numbers from 0 to 1, the digit centred and of the training data's size. */
export function pixelsOf(canvas) {
  const box = inkBox(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height));
  if (box === undefined) return undefined;
  const width = box.right - box.left + 1;
  const height = box.bottom - box.top + 1;
  const scale = digitSide / Math.max(width, height);
  const small = document.createElement('canvas');
  small.width = side;
  small.height = side;
  const context = small.getContext('2d');
  context.fillRect(0, 0, side, side);
  context.imageSmoothingQuality = 'high';
  const [w, h] = [width * scale, height * scale];
  context.drawImage(canvas, box.left, box.top, width, height, (side - w) / 2, (side - h) / 2, w, h);
  const { data } = context.getImageData(0, 0, side, side);
  return Array.from({ length: side * side }, (_, i) => Math.round((data[4 * i] / 255) * 1e4) / 1e4);
}
