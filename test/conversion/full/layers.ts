import { ConversionError } from '../../../conversion/errors.ts';
import { isModel } from '../../../conversion/keras/graph.ts';
import { type LayerConfig, layersOf } from '../../../conversion/keras/model.ts';
import { identify, readSource } from '../../../conversion/readers/index.ts';
import { deviationsOf, openRecorded } from '../recorded.ts';
import { isBeyond, isRefused, tierOf } from '../tiers.ts';

export interface LayerFigures {
  /** By tier, framework and format. */
  readonly counts: Readonly<Record<string, { converted: number; total: number }>>;
  /** Gaps of tier 0 and 1 in words. */
  readonly refused: readonly string[];
  /** Files of what is promised to nobody. */
  readonly beyond: number;
  readonly worstOfAllowed: number;
  /** Largest error of each file over Keras's own. */
  readonly ratios: readonly number[];
}

/** Classes of all layers, those inside of models and wrappers included. */
function classesOf(layer: LayerConfig): string[] {
  const inside = isModel(layer) ? layersOf(layer) : [];
  const wrapped = [layer.config['layer'], layer.config['backward_layer'], layer.config['cell']].filter(
    (inner): inner is LayerConfig => inner !== null && typeof inner === 'object',
  );
  return [layer.class_name, ...[...inside, ...wrapped].flatMap(classesOf)];
}

async function tierOfFile(name: string, path: string): Promise<0 | 1> {
  const { model } = await readSource(await identify(path));
  return model.kind === 'keras' ? tierOf(name, classesOf(model.config)) : 1;
}

/** Converts every recorded file and compares it with Keras's answers. @throws Error where one is wrong, or refused against its tier */
export async function countLayers(archive: string): Promise<LayerFigures> {
  const recorded = openRecorded(archive);
  const counts: Record<string, { converted: number; total: number }> = {};
  const refused: string[] = [];
  const faults: string[] = [];
  const ratios: number[] = [];
  let [beyond, worstOfAllowed] = [0, 0];
  const countOf = (key: string) => {
    counts[key] ??= { converted: 0, total: 0 };
    return counts[key];
  };
  try {
    for (const [name, model] of Object.entries(recorded.expected)) {
      for (const file of model.files) {
        const path = recorded.path(file);
        const key = () =>
          tierOfFile(name, path).then(
            (tier) => `tier ${tier}, ${file.split('-')[0]}, .${file.split('.').at(-1)}`,
          );
        try {
          const deviations = await deviationsOf(path, model);
          const count = countOf(await key());
          count.total++;
          count.converted++;
          for (const { error, allowed, kerasError } of deviations) {
            if (!(error <= allowed)) faults.push(`${file}: off by ${error}, allowed are ${allowed}`);
            if (allowed > 0) worstOfAllowed = Math.max(worstOfAllowed, error / allowed);
            if (kerasError > 0) ratios.push(error / kerasError);
          }
          if (isRefused(name)) faults.push(`${file}: converts, and is among the gaps`);
        } catch (error) {
          const { message } = error as Error;
          const isNamed = error instanceof ConversionError && error.code === 'CONVERSION_UNSUPPORTED_LAYER';
          if (!isNamed || !isRefused(name)) faults.push(`${file}: ${message}`);
          else if (isBeyond(name)) beyond++;
          else {
            countOf(await key()).total++;
            refused.push(message.replace(/^Layer '[^']*' /, '').split('. ')[0] as string);
          }
        }
      }
    }
  } finally {
    recorded.close();
  }
  if (faults.length > 0) throw new Error(faults.join('\n'));
  return { counts, refused: [...new Set(refused)], beyond, worstOfAllowed, ratios };
}
