import type { ImageInput } from '../../../conversion/manifest/index.ts';

type Image = Pick<ImageInput['image'], 'width' | 'height' | 'resize' | 'crop'>;

/** Where the value of one place along an axis comes from: between `low` and `high`, `share` of the way. */
interface Places {
  readonly low: Int32Array;
  readonly high: Int32Array;
  readonly share: Float32Array;
}

const { fround } = Math;

/** TensorFlow's half-pixel centres, in float32 as there. `first` is where the part that is taken begins. */
function places(from: number, to: number, method: Image['resize'], first: number): Places {
  const low = new Int32Array(to);
  const high = new Int32Array(to);
  const share = new Float32Array(to);
  const scale = fround(from / to);
  for (let index = 0; index < to; index++) {
    const centre = fround(fround(index + 0.5) * scale);
    if (method === 'nearest') {
      low[index] = first + Math.min(Math.floor(centre), from - 1);
      high[index] = low[index] as number;
      continue;
    }
    const at = fround(centre - 0.5);
    const floor = Math.floor(at);
    low[index] = first + Math.max(floor, 0);
    high[index] = first + Math.min(Math.ceil(at), from - 1);
    share[index] = at - floor;
  }
  return { low, high, share };
}

/** What of a picture is taken: all of it, or the largest middle part of the model's proportions, as Keras's smart_resize. */
function part(width: number, height: number, image: Image) {
  if (!image.crop) return { x: 0, y: 0, width, height };
  const tall = Math.max(1, Math.min(height, Math.trunc((width * image.height) / image.width)));
  const wide = Math.max(1, Math.min(width, Math.trunc((height * image.width) / image.height)));
  return { x: Math.trunc((width - wide) / 2), y: Math.trunc((height - tall) / 2), width: wide, height: tall };
}

/**
 * `tf.image.resize` without antialiasing, value by value: `sample(x, y, channel)` of the source, `put(x, y, channel, value)` of the
 * result, in float32.
 */
export function resize(
  width: number,
  height: number,
  channels: number,
  image: Image,
  sample: (x: number, y: number, channel: number) => number,
  put: (x: number, y: number, channel: number, value: number) => void,
): void {
  const source = part(width, height, image);
  const across = places(source.width, image.width, image.resize, source.x);
  const down = places(source.height, image.height, image.resize, source.y);
  for (let y = 0; y < image.height; y++) {
    const [top, bottom, yShare] = [down.low[y]!, down.high[y]!, down.share[y]!];
    for (let x = 0; x < image.width; x++) {
      const [left, right, xShare] = [across.low[x]!, across.high[x]!, across.share[x]!];
      for (let channel = 0; channel < channels; channel++) {
        const over = between(sample(left, top, channel), sample(right, top, channel), xShare);
        const under = between(sample(left, bottom, channel), sample(right, bottom, channel), xShare);
        put(x, y, channel, between(over, under, yShare));
      }
    }
  }
}

function between(a: number, b: number, share: number): number {
  return fround(a + fround(fround(b - a) * share));
}
