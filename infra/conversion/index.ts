import type { DeployableModel } from '../platforms/platform.ts';
import type { ModelSetting } from '../shared-settings.ts';
import { conversionArgs } from './conversion-args.ts';
import { ConvertedModel } from './converted-model.ts';

/** What training hands over: where a trained model lies, and how it is to be converted. */
export type TrainedModel = Omit<ModelSetting, 'canary'>;

/** conversion = f(parameters, structure, method): each trained model as a gated, deployable one. */
export function convertModels(models: readonly TrainedModel[]): DeployableModel[] {
  return models.map(({ name, source, ...how }) => {
    const given = Object.fromEntries(
      conversionArgs.filter((key) => how[key] !== undefined).map((key) => [key, how[key] as string]),
    );
    return { name, resource: new ConvertedModel(name, { name, source, ...given }) };
  });
}
