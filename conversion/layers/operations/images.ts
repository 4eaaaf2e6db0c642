import { unsupported } from '../layer.ts';
import { channelsFirst, channelsLast, isChannelsFirst } from '../layout.ts';
import { resizedImages } from '../resizing.ts';
import { argument, first, type Operation } from './arguments.ts';

/** `tf.image.resize` and Keras 3's `ops.image.resize`, of a batch of images. */
export const resize: Operation = (layer) => {
  const images = first(layer);
  const size = argument(layer, 1, 'size');
  const option = (name: string) => argument(layer, -1, name);
  if (images.shape.length !== 4) throw unsupported(layer, 'an image without a batch');
  if (!Array.isArray(size) || size.length !== 2 || size.some((side) => !Number.isInteger(side)))
    throw unsupported(layer, 'a size that is computed');
  if (option('preserve_aspect_ratio') === true) throw unsupported(layer, 'preserve_aspect_ratio');
  const interpolation = String(option('interpolation') ?? option('method') ?? 'bilinear').toLowerCase();
  if (layer.isOperation && !images.dtype.startsWith('float') && interpolation !== 'nearest')
    throw unsupported(layer, `interpolation '${interpolation}' of ${images.dtype}; cast the images before`);
  const isFirst = isChannelsFirst(layer);
  const x = isFirst ? images : channelsFirst(layer, images);
  const y = resizedImages(layer, x, [Number(size[0]), Number(size[1])], {
    interpolation,
    antialias: option('antialias') === true,
    cropToAspectRatio: option('crop_to_aspect_ratio') === true,
    padToAspectRatio: option('pad_to_aspect_ratio') === true,
    fillValue: Number(option('fill_value') ?? 0),
  });
  return isFirst ? y : channelsLast(layer, y);
};
