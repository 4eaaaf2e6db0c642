import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as pulumi from '@pulumi/pulumi';
import { isSignedBy, Profile, signatureFile } from '../../conversion/manifest/index.ts';
import { homePaths, type ServingSettingsInput } from '../../serving/contract/index.ts';
import type { InstanceTypeName } from '../environment/hardware.ts';
import { ApiKeys, keysFileName } from '../environment/kubernetes/api-keys.ts';
import { nodeAgentsNamespace } from '../environment/kubernetes/node-agents.ts';
import { podSysctls } from '../environment/os-parameters.ts';
import { beyondQuota } from '../environment/quota.ts';
import { type Plan, planHardware } from '../environment/sizing.ts';
import { InfraError } from '../errors.ts';
import { Monitoring, prometheusUrl, scraper } from '../monitoring/index.ts';
import { collectorRule } from '../network-rules.ts';
import { ServingImage, type ServingImageArgs } from '../service/image.ts';
import {
  InferenceService,
  type InferenceServiceArgs,
  type ModelSource,
  type ModelVersion,
  secretsDir,
} from '../service/index.ts';
import { type CurrentModel, servedModels } from '../service/served-models.ts';
import type { Settings } from '../settings.ts';
import type { DeployableModel, ServiceOutputs } from './platform.ts';

const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/[/\\]$/, '');

/** What the serving image runs: for the check against drivers, before anything is made. */
export const onnxruntime: string = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).dependencies[
  'onnxruntime-node'
];

/** What sizing takes for the models where no profile says better: their files as they are, rows of a thousand numbers. */
function assume({ models }: Settings) {
  const sizes = models.map(
    ({ source }) => statSync(join(root, source), { throwIfNoEntry: false })?.size ?? 50_000_000,
  );
  return { sizeBytes: sizes.reduce((sum, size) => sum + size, 0), inputElements: 1000 };
}

/** What the service in a cluster needs of its environment, whatever the cluster is. */
export interface ClusterEnvironment {
  readonly plan: Plan;
  readonly namespace: pulumi.Input<string>;
  readonly image: pulumi.Output<string>;
  readonly modelSource: ModelSource;
  readonly middleware: pulumi.Input<Pick<ServingSettingsInput, 'database' | 'cache' | 'store'>>;
  readonly secrets: InferenceServiceArgs['secrets'];
  readonly egress: InferenceServiceArgs['egress'];
  readonly nodeSelector?: Readonly<Record<string, string>> | undefined;
  /** The cluster's provider. */
  readonly opts: pulumi.ComponentResourceOptions;
}

/** environment = g(hardware): the plan of a stack, with its reasons printed in the preview. */
export function plan(settings: Settings, instanceTypes?: readonly InstanceTypeName[]): Plan {
  const profile = settings.profile
    ? Profile.parse(JSON.parse(readFileSync(`${root}/${settings.profile}`, 'utf8')))
    : undefined;
  const { sizeBytes, inputElements } = profile ?? assume(settings);
  const name = settings.models.map((model) => model.name).join(', ');
  const chosen = planHardware({
    ...settings,
    model: { name, sizeBytes, inputElements },
    profile,
    instanceTypes,
  });
  const basis = chosen.measured ? `from ${settings.profile}` : 'not measured: set profile to a profile.json';
  pulumi.log.info(`sizing (${basis})\n${chosen.reasons.map((reason) => `  - ${reason}`).join('\n')}`);
  for (const [replicas, what] of [
    [chosen.minReplicas, 'pods will be refused'],
    [chosen.maxReplicas, 'the autoscaler will be refused more'],
  ] as const)
    for (const fault of beyondQuota(chosen, settings.quota, replicas))
      pulumi.log.warn(`modelmile:${fault}: ${what}`);
  return chosen;
}

/** The serving image of a stack, by digest. */
export function servingImage(
  name: string,
  settings: Settings,
  { accelerator }: Plan,
  build: Pick<ServingImageArgs, 'repository' | 'registry'>,
): pulumi.Output<string> {
  const { image, imageBuildArgs: buildArgs } = settings;
  const args =
    image === undefined ? { ...build, context: root, target: accelerator, buildArgs } : { ref: image };
  return new ServingImage(`${name}-image`, args).ref;
}

/** Converted models as a cluster takes them. */
export const versionsOf = (models: readonly DeployableModel[]): ModelVersion[] =>
  models.map(({ name, resource }) => ({
    name,
    version: resource.version,
    digest: resource.digest,
    folder: resource.digest.apply((digest) => join(homePaths(root).convertedVersions, digest)),
  }));

/**
 * What comes over a network is loaded only signed.
 * @throws InfraError MODELS_UNSIGNED where no key is trusted; a version that no trusted key signed is warned of: pods will refuse it
 */
function requireSignatures(settings: Settings, models: readonly DeployableModel[]): void {
  const trustedKeys = settings.serving.trustedKeys ?? [];
  if (trustedKeys.length === 0) {
    throw new InfraError(
      'MODELS_UNSIGNED',
      'modelmile:serving.trustedKeys is empty, and the pods read their models from a store.',
    );
  }
  for (const { name, folder } of versionsOf(models)) {
    pulumi.output(folder).apply((path) => {
      const read = (file: string) =>
        existsSync(join(path, file)) ? readFileSync(join(path, file)) : undefined;
      const [manifest, signature] = [read('manifest.json'), read(signatureFile)?.toString()];
      if (manifest && signature && isSignedBy(manifest, signature, trustedKeys)) return;
      pulumi.log.warn(
        `model ${name} is signed by none of the trustedKeys, so new pods will refuse it and the old ones serve on: set MODELMILE_SIGNING_KEY`,
      );
    });
  }
}

/** @throws InfraError SETTING_INVALID where a canary is to be tried and the pods get one version only */
function currentModels(settings: Settings, models: readonly DeployableModel[], kind: ModelSource['kind']) {
  return models.map(({ name, resource }) => {
    const canary = settings.models.find((model) => model.name === name)?.canary;
    if (canary && kind === 'config-map') {
      throw new InfraError(
        'SETTING_INVALID',
        `modelmile:models: canary of ${name} needs a store that keeps versions; set modelStore to s3://..., https://... or volume:<claim>.`,
      );
    }
    return { name, version: resource.version, canary };
  });
}

/** service, the same on every cluster. */
export function serve(
  name: string,
  settings: Settings,
  models: readonly DeployableModel[],
  environment: ClusterEnvironment,
): ServiceOutputs {
  const { namespace, image, opts } = environment;
  if (environment.modelSource.kind === 'remote') requireSignatures(settings, models);
  const { measuredDigest } = environment.plan;
  pulumi.all(models.map(({ resource }) => resource.digest)).apply((digests) => {
    if (measuredDigest !== undefined && !digests.includes(measuredDigest))
      pulumi.log.warn(
        `${settings.profile} was measured on another version of the model: run \`modelmile profile\` again`,
      );
  });
  const { kind, operatorNamespace } = settings.monitoring;
  const keys = new ApiKeys(`${name}-keys`, { namespace, image, secretName: settings.apiKeysSecret }, opts);
  // The key itself is in the same Secret: only its digest reaches the server.
  const keysVolume = {
    secret: { secretName: keys.secretName, items: [{ key: keysFileName, path: keysFileName }] },
  };
  return new InferenceService(
    name,
    {
      ...settings,
      ...environment,
      egress: [
        ...environment.egress,
        ...(settings.serving.tracing ? [collectorRule(settings.serving.tracing.endpoint)] : []),
      ],
      size: environment.plan,
      models: versionsOf(models),
      settings: pulumi
        .all([environment.middleware, currentModels(settings, models, environment.modelSource.kind)])
        .apply(([middleware, current]) => ({
          ...servedModels(current as CurrentModel[]),
          ...settings.serving,
          ...middleware,
          keysFile: `${secretsDir}/keys/${keysFileName}`,
        })),
      secrets: [...environment.secrets, { name: 'keys', volume: keysVolume }],
      sysctls: podSysctls(),
      prometheusUrl: prometheusUrl(kind, settings.namespace, operatorNamespace),
      prometheus: scraper(kind, operatorNamespace),
    },
    opts,
  );
}

/** monitoring, the same on every cluster. */
export function monitor(
  name: string,
  settings: Settings,
  { opts }: ClusterEnvironment,
): Record<string, string> {
  const { monitoring, namespace, imageRegistry, storageClass, scaleOn, clusterRights } = settings;
  new Monitoring(
    `${name}-monitoring`,
    {
      ...monitoring,
      namespace,
      imageRegistry,
      storageClass,
      objectives: monitoring.slo,
      nodeAgentsNamespace: monitoring.gpuMetrics && clusterRights ? nodeAgentsNamespace : undefined,
      readers: scaleOn === 'keda' ? ['keda'] : [],
    },
    opts,
  );
  return monitoring.kind === 'operator'
    ? { rules: `PrometheusRule ${namespace}/modelmile` }
    : { dashboards: `kubectl -n ${namespace} port-forward service/modelmile-grafana 3000` };
}
