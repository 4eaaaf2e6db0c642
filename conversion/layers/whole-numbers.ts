import { activationName } from './activations.ts';
import { type LayerContext, unsupported } from './layer.ts';

/** Activations that give whole numbers for such; the others give floats. */
const wholeActivations = new Set(['linear', 'relu', 'relu6']);
/** Layers that Keras computes in the type that they are given, and that are computed in float32 here. */
const alike = /^(Adaptive|Global)?MaxPooling[123]D$|^AdaptiveMax|^(Dot|Masking|ReLU)$/;
/** Those that round what they computed to whole numbers again. */
const rounding = {
  'keras-2': /^GlobalAveragePooling[123]D$/,
  'keras-3': /^(Layer|RMS|Group)Normalization$/,
  tfjs: /^GlobalAveragePooling[123]D$/,
} as const;

/**
 * Refuses whole numbers for a layer that would give others than Keras does: it rounds, or runs over, where float32 does not.
 * @throws ConversionError CONVERSION_UNSUPPORTED_LAYER
 */
export function refuseWholeNumbers(layer: LayerContext): void {
  const whole = layer.inputs.find(({ dtype }) => /^u?int/.test(dtype));
  if (whole === undefined || layer.isOperation) return;
  const { className, config, dialect } = layer;
  const isWhole =
    alike.test(className) ||
    rounding[dialect].test(className) ||
    (className === 'Activation' && wholeActivations.has(activationName(config['activation']) ?? ''));
  if (isWhole)
    throw unsupported(
      layer,
      `an input of ${whole.dtype}, of which Keras makes whole numbers; cast it to float32 before`,
    );
}
