import { type KerasModel, type LayerConfig, layersOf } from '../keras/model.ts';
import type { Signature } from '../manifest/index.ts';
import { sizeOf, type Tensor } from './interpreter/tensor.ts';
import { seededRandom } from './random.ts';

/** A layer, and all those inside. */
function withInner(layer: LayerConfig): LayerConfig[] {
  const wrapped = layer.config['layer'] as LayerConfig | undefined;
  return [layer, ...[...layersOf(layer), ...(wrapped === undefined ? [] : [wrapped])].flatMap(withInner)];
}

/** What the model's layers take for no step: its Masking layers, as float32, and where it looks up ids. */
function maskValues(model: KerasModel): { floats: number[]; ids: number[] } {
  const layers = withInner(model.config);
  const of = (name: string) => layers.filter((layer) => layer.class_name === name);
  const floats = of('Masking').map(({ config }) => Math.fround(Number(config['mask_value'] ?? 0)));
  const ids = of('Embedding').some(({ config }) => config['mask_zero'] === true) ? [0] : [];
  return { floats: [...new Set(floats)], ids };
}

/** 1: as likely between one and two steps as between 16 and 32. */
const oftenFew = 1.5;

/**
 * Random inputs hardly meet what a model's masks take for no step: some steps of those that may reach one, `[N, ..., F]` and ids
 * `[N, ...]`, are set to it. Of a row between one step and all but one are left, rather few than many: what is averaged over few is the largest.
 * @param bounds of the inputs that hold ids
 * @returns the very inputs where the model has no masks
 */
export function withMaskedSteps(
  inputs: readonly Tensor[],
  { inputs: specs }: Signature,
  model: KerasModel,
  bounds: ReadonlyMap<string, number>,
  seed: number,
): readonly Tensor[] {
  const { floats, ids } = maskValues(model);
  if (floats.length + ids.length === 0) return inputs;
  const random = seededRandom(seed);
  return inputs.map((input, i) => {
    const { shape, data } = input;
    const { name, dtype } = specs[i]!;
    const areIds = bounds.has(name) || dtype.startsWith('int');
    const values = areIds ? ids : dtype === 'float32' && shape.length > 2 ? floats : [];
    if (values.length === 0) return input;
    const width = areIds ? 1 : (shape.at(-1) as number);
    const steps = sizeOf(shape.slice(1)) / width;
    const masked = data.slice();
    for (let row = 0; row < (shape[0] as number); row++) {
      const value = values[row % values.length] as number;
      let left = Math.floor(steps ** (random() ** oftenFew));
      for (let step = 0; step < steps; step++) {
        const at = (row * steps + step) * width;
        const isKept = random() * (steps - step) < left;
        if (isKept) left--;
        else masked.fill(value, at, at + width);
        // An id that is left is none that means no step.
        if (isKept && areIds && masked[at] === value) masked[at] = Math.min(1, (bounds.get(name) ?? 2) - 1);
      }
    }
    return { shape, data: masked };
  });
}
