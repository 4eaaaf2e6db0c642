import type { DeployableModel } from '../platforms/platform.ts';
import { ConvertedModel } from './converted-model.ts';

/** What training hands over: where a trained model lies, and how it is to be converted. */
export interface TrainedModel {
  readonly name: string;
  readonly source: string;
  readonly method: string;
  readonly labels?: string | undefined;
}

/** conversion = f(parameters, structure, method): each trained model as a gated, deployable one. */
export function convertModels(models: readonly TrainedModel[]): DeployableModel[] {
  return models.map(({ name, source, method, labels }) => ({
    name,
    resource: new ConvertedModel(name, { name, source, method, ...(labels === undefined ? {} : { labels }) }),
  }));
}
