import { activationName } from './activations.ts';
import { type LayerContext, unsupported } from './layer.ts';
import { operationName } from './operations/index.ts';

/** Activations that give whole numbers for such and are computed in float32 here; the others give floats. */
const wholeActivations = new Set(['relu', 'relu6']);
/** Layers that Keras computes in the type that they are given, and that are computed in float32 here. */
const alike = /^(Adaptive|Global)?MaxPooling[123]D$|^AdaptiveMax|^(Dot|ReLU)$/;
/** Those that round what they computed to whole numbers again. */
const rounding = {
  'keras-2': /^GlobalAveragePooling[123]D$/,
  'keras-3': /^(Layer|RMS|Group)Normalization$/,
  tfjs: /^GlobalAveragePooling[123]D$/,
} as const;

/** Operations that may be given uint64, for they move numbers or say of what type they are. */
const moving = new Set(
  'broadcast_to cast concat concatenate convert_to_tensor expand_dims flip gather get_item getitem identity ones_like pad repeat reshape reverse roll shape split squeeze stack stop_gradient swapaxes take tile transpose unstack zeros_like'.split(
    ' ',
  ),
);
/** Layers that compute with uint64 as such. */
const computing = /^(Add|Average|Maximum|Masking|Minimum|Multiply|Subtract)$/;

/** Keras takes uint64 for uint32 where it meets a plain number, the runtime has hardly any code for it. */
function refuseLongUnsigned(layer: LayerContext): void {
  if (layer.inputs.every(({ dtype }) => dtype !== 'uint64')) return;
  const isRaw = layer.isOperation || layer.className.endsWith('OpLambda');
  if (isRaw ? !moving.has(operationName(layer)) : computing.test(layer.className))
    throw unsupported(layer, 'it computes with uint64; cast to int64 before');
}

/**
 * Refuses whole numbers for a layer that would give others than Keras does: it rounds, or runs over, where float32 does not.
 * @throws ConversionError CONVERSION_UNSUPPORTED_LAYER
 */
export function refuseWholeNumbers(layer: LayerContext): void {
  refuseLongUnsigned(layer);
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
