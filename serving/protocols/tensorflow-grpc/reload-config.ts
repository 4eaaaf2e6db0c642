import { ServedModel } from '../../contract/index.ts';
import { ServingError } from '../../errors.ts';
import type { ModelConfig, ReloadConfigRequest } from './generated/tensorflow_serving_pb.js';

function policyOf({ modelVersionPolicy }: ModelConfig): ServedModel['versionPolicy'] {
  const choice = modelVersionPolicy?.policyChoice;
  switch (choice?.case) {
    case 'all':
      return { all: true };
    case 'specific':
      return { specific: choice.value.versions.map(Number) };
    case 'latest':
      return { latest: Math.max(1, choice.value.numVersions) };
    default:
      return { latest: 1 };
  }
}

/** No request may say where models come from: a path is taken only where it is the model's own folder. */
function checkBasePath({ name, basePath }: ModelConfig): void {
  if (basePath === '' || basePath.replace(/\/+$/, '').endsWith(`/${name}`)) return;
  throw new ServingError(
    'SERVING_BAD_REQUEST',
    `base_path '${basePath}' is not the folder of model '${name}': the repository is in the settings of the server`,
  );
}

/**
 * The models that a reload asks for: exactly these are served afterwards.
 * @throws ServingError SERVING_BAD_REQUEST
 */
export function modelsOf({ config }: ReloadConfigRequest): ServedModel[] {
  if (config?.config.case !== 'modelConfigList') {
    throw new ServingError('SERVING_BAD_REQUEST', 'The request has no config.model_config_list');
  }
  return config.config.value.config.map((model) => {
    checkBasePath(model);
    const labels = Object.entries(model.versionLabels).map(([label, version]) => [label, Number(version)]);
    const parsed = ServedModel.safeParse({
      name: model.name,
      versionPolicy: policyOf(model),
      versionLabels: Object.fromEntries(labels),
    });
    if (parsed.success) return parsed.data;
    const faults = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new ServingError('SERVING_BAD_REQUEST', `Model '${model.name}': ${faults.join('; ')}`);
  });
}
