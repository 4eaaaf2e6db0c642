import { type KerasModel, type LayerConfig, layersOf } from '../keras/model.ts';
import type { Signature } from '../manifest/index.ts';
import { sizeOf, type Tensor } from './interpreter/tensor.ts';
import { seededRandom } from './random.ts';

/** Of the steps; no row is masked whole. */
const maskedShare = 0.3;

/** What the model's Masking layers take for no step, as float32. */
function maskValues(layer: LayerConfig): number[] {
  const own = layer.class_name === 'Masking' ? [Math.fround(Number(layer.config['mask_value'] ?? 0))] : [];
  return [...own, ...layersOf(layer).flatMap(maskValues)];
}

/** Random inputs never meet a Masking layer's value: some steps of those that may reach one, `[N, ..., F]`, are set to it. */
export function withMaskedSteps(
  inputs: readonly Tensor[],
  { inputs: specs }: Signature,
  model: KerasModel,
  seed: number,
): Tensor[] {
  const values = [...new Set(maskValues(model.config))];
  const random = seededRandom(seed);
  return inputs.map((input, i) => {
    const { shape, data } = input;
    if (values.length === 0 || shape.length < 3 || specs[i]?.dtype !== 'float32') return input;
    const steps = sizeOf(shape.slice(1, -1));
    const width = shape.at(-1) as number;
    const masked = data.slice();
    for (let at = 0; at < data.length / width; at++) {
      const [row, step] = [Math.floor(at / steps), at % steps];
      if (random() < maskedShare && step !== row % steps)
        masked.fill(values[row % values.length] as number, at * width, (at + 1) * width);
    }
    return { shape, data: masked };
  });
}
