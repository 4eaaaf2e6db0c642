import type { SymbolicTensor } from '../onnx/index.ts';
import { interpolationWeights } from './interpolation.ts';
import {
  asFloat,
  floatInput,
  type LayerContext,
  type LayerConverter,
  onlyInput,
  sizesOption,
  unsupported,
} from './layer.ts';
import { spatialInput, spatialOutput } from './layout.ts';
import { cast, dimOf, joined, matmul, scalar, slice, transpose } from './shapes.ts';

const { fround } = Math;

/** How images get another size; `interpolation` in Keras's names. */
export interface ResizeOptions {
  readonly interpolation: string;
  readonly antialias?: boolean;
  readonly cropToAspectRatio?: boolean;
  readonly padToAspectRatio?: boolean;
  readonly fillValue?: number;
}

/** Height and width of [N, C, H, W]. @throws ConversionError where one is open */
function spaceOf(layer: LayerContext, x: SymbolicTensor, what: string): [number, number] {
  const [height, width] = x.shape.slice(2) as [number, number];
  if (height < 0 || width < 0) throw unsupported(layer, `${what} of images whose size is open`);
  return [height, width];
}

/** The sides of the image's own that the wanted shape asks for, as Keras counts them in float32. */
function aspectSides([height, width]: [number, number], [toHeight, toWidth]: readonly [number, number]) {
  const side = (other: number, to: number, toOther: number) => Math.trunc(fround((other * to) / toOther));
  return [side(width, toHeight, toWidth), side(height, toWidth, toHeight)] as const;
}

/** The largest part of the middle that has the wanted shape. */
function cropped(layer: LayerContext, x: SymbolicTensor, size: readonly [number, number]): SymbolicTensor {
  const space = spaceOf(layer, x, 'crop_to_aspect_ratio');
  const ranges = aspectSides(space, size).map((side, i) => {
    const full = space[i] as number;
    const kept = Math.max(Math.min(full, side), 1);
    const start = Math.floor((full - kept) / 2);
    return { axis: i + 2, start, end: start + kept };
  });
  return slice(layer, x, ranges);
}

/** Keras 3: as much on both sides as brings the image to the wanted shape, less the odd one. */
function padded(
  layer: LayerContext,
  x: SymbolicTensor,
  size: readonly [number, number],
  fillValue: number,
): SymbolicTensor {
  const space = spaceOf(layer, x, 'pad_to_aspect_ratio');
  const amounts = aspectSides(space, size).map((side, i) =>
    Math.floor(Math.max(side - (space[i] as number), 0) / 2),
  );
  const pads = [0, 0, ...amounts];
  const shape = x.shape.map((dim, axis) => (axis < 2 ? dim : dim + 2 * (pads[axis] as number)));
  return layer.graph.node(
    'Pad',
    [x, layer.graph.int64s(`${layer.name}/pads`, [...pads, ...pads]), scalar(layer, fillValue)],
    { name: `${layer.name}/pad`, shape },
  );
}

/** ONNX's own operator, which takes images of any size. */
function resizedByRuntime(
  layer: LayerContext,
  x: SymbolicTensor,
  size: readonly number[],
  interpolation: 'nearest' | 'bilinear',
): SymbolicTensor {
  const kept = x.shape.slice(0, 2);
  const sizes = kept.every((dim) => dim >= 0)
    ? layer.graph.int64s(`${layer.name}/sizes`, [...kept, ...size])
    : joined(layer, [...kept.map((dim, axis) => (dim < 0 ? dimOf(layer, x, axis) : dim)), ...size]);
  return layer.graph.node(
    'Resize',
    [x, '', '', sizes],
    { name: `${layer.name}/resize`, shape: [...kept, ...size] },
    {
      coordinate_transformation_mode: 'half_pixel',
      // TensorFlow's nearest takes floor((i + 0.5) * scale).
      ...(interpolation === 'nearest'
        ? { mode: 'nearest', nearest_mode: 'round_prefer_ceil' }
        : { mode: 'linear' }),
    },
  );
}

/** Images [N, C, H, W] by the weights of each row and column of pixels. */
function resizedByWeights(
  layer: LayerContext,
  x: SymbolicTensor,
  size: readonly [number, number],
  { interpolation, antialias = false }: ResizeOptions,
): SymbolicTensor {
  const space = spaceOf(layer, x, `interpolation '${interpolation}'`);
  const [rows, columns] = space.map((from, i) => {
    const to = size[i] as number;
    const weights = interpolationWeights(interpolation, from, to, antialias);
    if (weights === undefined) throw unsupported(layer, `interpolation '${interpolation}'`);
    return layer.graph.constant(`${layer.name}/weights`, 'float32', [to, from], weights);
  }) as [SymbolicTensor, SymbolicTensor];
  const wide = matmul(layer, rows, x);
  return matmul(layer, wide, transpose(layer, columns, [1, 0]));
}

/**
 * Images [N, C, H, W] in another size, as `tf.image.resize` and Keras 3's `ops.image.resize` make them: float32, but for `nearest`, which
 * keeps the element type.
 */
export function resizedImages(
  layer: LayerContext,
  images: SymbolicTensor,
  size: readonly [number, number],
  options: ResizeOptions,
): SymbolicTensor {
  let x = options.interpolation === 'nearest' ? images : cast(layer, images, 'float32');
  if (options.cropToAspectRatio) x = cropped(layer, x, size);
  else if (options.padToAspectRatio) x = padded(layer, x, size, options.fillValue ?? 0);
  // TensorFlow leaves an image of the wanted size as it is, whatever the filter would make of it.
  if (x.shape[2] === size[0] && x.shape[3] === size[1]) return x;
  const { interpolation } = options;
  const isPlain = interpolation === 'nearest' || (interpolation === 'bilinear' && !options.antialias);
  return isPlain
    ? resizedByRuntime(layer, x, size, interpolation)
    : resizedByWeights(layer, x, size, options);
}

/**
 * Keras `Resizing` to a fixed size.
 * @see https://keras.io/api/layers/preprocessing_layers/image_preprocessing/resizing/
 */
export const resizing: LayerConverter = (layer) => {
  const { config } = layer;
  const size = [Number(config['height']), Number(config['width'])] as const;
  const input = onlyInput(layer);
  const interpolation = String(config['interpolation'] ?? 'bilinear').toLowerCase();
  const isKeras3 = layer.dialect === 'keras-3';
  // Keras 3 rounds to the element type that came in; a half goes up or down by float32's last bit, which no two runtimes share.
  if (isKeras3 && !input.dtype.startsWith('float') && interpolation !== 'nearest')
    throw unsupported(
      layer,
      `interpolation '${interpolation}' of ${input.dtype}; give the model a float32 input`,
    );
  const images = spatialInput(layer, isKeras3 ? input : asFloat(layer, input));
  const y = resizedImages(layer, images, size, {
    interpolation,
    antialias: config['antialias'] === true,
    cropToAspectRatio: config['crop_to_aspect_ratio'] === true,
    padToAspectRatio: config['pad_to_aspect_ratio'] === true,
    fillValue: Number(config['fill_value'] ?? 0),
  });
  return spatialOutput(layer, y);
};

/** Keras `CenterCrop`: the middle of the image, or where that is smaller, of the image resized until it is not. */
export const centerCrop: LayerConverter = (layer) => {
  const x = spatialInput(layer, floatInput(layer));
  const size = [Number(layer.config['height']), Number(layer.config['width'])] as const;
  const space = spaceOf(layer, x, 'a crop');
  if (space.some((full, i) => full < (size[i] as number))) {
    const options = { interpolation: 'bilinear', cropToAspectRatio: true };
    return spatialOutput(layer, resizedImages(layer, x, size, options));
  }
  const ranges = size.map((wanted, i) => {
    const start = Math.floor(((space[i] as number) - wanted) / 2);
    return { axis: i + 2, start, end: start + wanted };
  });
  return spatialOutput(layer, slice(layer, x, ranges));
};

/** Each place several times, or between the places, of images of any size. */
function upSampled(
  layer: LayerContext,
  x: SymbolicTensor,
  factors: readonly number[],
  interpolation: 'nearest' | 'bilinear',
): SymbolicTensor {
  const scales = layer.graph.constant(
    `${layer.name}/scales`,
    'float32',
    [x.shape.length],
    Float32Array.of(1, 1, ...factors),
  );
  const shape = x.shape.map((dim, i) => (i < 2 || dim < 0 ? dim : dim * (factors[i - 2] as number)));
  return layer.graph.node(
    'Resize',
    [x, '', scales],
    { name: `${layer.name}/resize`, shape },
    interpolation === 'nearest'
      ? { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' }
      : { mode: 'linear', coordinate_transformation_mode: 'half_pixel' },
  );
}

/**
 * Keras `UpSampling1D..3D`; other interpolations than `nearest` only in 2D.
 * @see https://keras.io/api/layers/reshaping_layers/up_sampling2d/
 */
export const upSampling =
  (rank: number): LayerConverter =>
  (layer) => {
    const x = spatialInput(layer, onlyInput(layer));
    const factors = sizesOption(layer, 'size', rank, 2);
    const interpolation = String(layer.config['interpolation'] ?? 'nearest');
    if (interpolation === 'nearest' || interpolation === 'bilinear')
      return spatialOutput(layer, upSampled(layer, x, factors, interpolation));
    const [height, width] = spaceOf(layer, x, `interpolation '${interpolation}'`);
    const size = [height * (factors[0] as number), width * (factors[1] as number)] as const;
    return spatialOutput(layer, resizedImages(layer, x, size, { interpolation }));
  };
