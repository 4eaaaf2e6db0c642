import type { ImageInput } from '../../../conversion/manifest/index.ts';
import { Numbers, normaliser } from '../normalise.ts';
import { decodePicture } from './decode.ts';
import type { Pixels } from './pixels.ts';
import { resize } from './resize.ts';

/** What a picture is made into. */
export interface PictureTarget {
  readonly image: ImageInput['image'];
  readonly dtype: string;
  readonly maxPixels: number;
}

/** Brightness as Pillow's mode L has it, which `load_img(color_mode='grayscale')` gives. */
const brightness = (r: number, g: number, b: number) => (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;

/** Where in a pixel the model's channels are. */
const order = { rgb: [0, 1, 2], bgr: [2, 1, 0] } as const;

function sampler({ width, stride, data }: Pixels, channels: ImageInput['image']['channels']) {
  if (channels === 'gray') {
    return (x: number, y: number) => {
      const at = (y * width + x) * stride;
      return brightness(data[at]!, data[at + 1]!, data[at + 2]!);
    };
  }
  const places = order[channels];
  return (x: number, y: number, channel: number) => data[(y * width + x) * stride + places[channel]!]!;
}

/**
 * One row of a model's input from the bytes of a JPEG or PNG.
 * @throws ProcessingFault
 */
export async function pictureRow(picture: Uint8Array, target: PictureTarget): Promise<Numbers['data']> {
  const { image, dtype, maxPixels } = target;
  const pixels = await decodePicture(picture, maxPixels);
  const depth = image.channels === 'gray' ? 1 : 3;
  const row = new Numbers(dtype, image.width * image.height * depth);
  const of = (value: number | readonly number[], channel: number) =>
    typeof value === 'number' ? value : (value[channel] as number);
  const normalise = Array.from({ length: depth }, (_, channel) =>
    normaliser({ ...image, mean: of(image.mean, channel), std: of(image.std, channel) }),
  );
  const plane = image.width * image.height;
  const placeOf =
    image.layout === 'channels-last'
      ? (x: number, y: number, channel: number) => (y * image.width + x) * depth + channel
      : (x: number, y: number, channel: number) => channel * plane + y * image.width + x;
  resize(
    pixels.width,
    pixels.height,
    depth,
    image,
    sampler(pixels, image.channels),
    (x, y, channel, value) => {
      row.set(placeOf(x, y, channel), normalise[channel]!(value));
    },
  );
  return row.data;
}
