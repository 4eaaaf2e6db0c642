/** The last mile as one closed loop: training -> conversion -> environment -> service -> monitoring -> feedback -> training. */
import { convertModels } from './conversion/index.ts';
import { feedbackLoop } from './feedback/index.ts';
import { platforms } from './platforms/index.ts';
import { readSettings } from './settings.ts';
import { trainedModels } from './training/index.ts';

const settings = readSettings();
const platform = await platforms[settings.platform]();

const trained = trainedModels(settings);
const models = convertModels(trained);
const environment = platform.environment(settings, models);
const service = platform.service(settings, models, environment);
export const monitoring = platform.monitoring(settings, service, environment);
export const feedback = feedbackLoop(models, platform.feedback(settings, service, environment));

export const endpoint = service.endpoint;
export const console = service.console ?? 'on a stack that listens on loopback only';
export const versions = Object.fromEntries(models.map(({ name, resource }) => [name, resource.version]));
