import { readFileSync } from 'node:fs';
import * as pulumi from '@pulumi/pulumi';
import { Profile } from '../../conversion/manifest/index.ts';
import type { ServingSettingsInput } from '../../serving/contract/index.ts';
import { ApiKeys, keysFileName } from '../environment/kubernetes/api-keys.ts';
import { nodeAgentsNamespace } from '../environment/kubernetes/node-agents.ts';
import { podSysctls } from '../environment/os-parameters.ts';
import { type Plan, planHardware } from '../environment/sizing.ts';
import { Monitoring, prometheusUrl, scraper } from '../monitoring/index.ts';
import { ServingImage, type ServingImageArgs } from '../service/image.ts';
import {
  InferenceService,
  type InferenceServiceArgs,
  type ModelSource,
  type ModelVersion,
  secretsDir,
} from '../service/index.ts';
import type { ServiceSettings } from './cluster-settings.ts';

/** What sizing knows of the models without a profile: the largest source file, an image-sized row. */
const assumed = { sizeBytes: 50_000_000, inputElements: 1000 };

/** environment = g(hardware): the plan of a stack, with its reasons printed where the engine shows them. */
export function planFor(settings: ServiceSettings, root: string): Plan {
  const profile = settings.profile
    ? Profile.parse(JSON.parse(readFileSync(`${root}/${settings.profile}`, 'utf8')))
    : undefined;
  const plan = planHardware({
    model: { name: 'model', ...(profile ?? assumed) },
    profile,
    load: settings.load,
    accelerator: settings.accelerator,
    priceFactor: settings.priceFactor,
  });
  const basis = plan.measured
    ? 'from the committed profile'
    : 'not measured: commit a profile.json (`modelmile profile`)';
  pulumi.log.info(`sizing, ${basis}:\n${plan.reasons.map((reason) => `  - ${reason}`).join('\n')}`);
  return plan;
}

/** What a platform brings to the cluster's part of the loop. */
export interface Place {
  readonly namespace: pulumi.Input<string>;
  readonly image: pulumi.Output<string>;
  readonly modelSource: ModelSource;
  readonly middleware: pulumi.Input<Pick<ServingSettingsInput, 'database' | 'cache'>>;
  readonly secrets: InferenceServiceArgs['secrets'];
  readonly egress: InferenceServiceArgs['egress'];
  readonly nodeSelector?: Readonly<Record<string, string>>;
}

/** The serving image of a stack. */
export function servingImage(
  name: string,
  settings: ServiceSettings,
  plan: Plan,
  build: Pick<ServingImageArgs, 'repository' | 'registry'>,
  root: string,
): pulumi.Output<string> {
  const args: ServingImageArgs =
    settings.image === undefined
      ? { ...build, context: root, target: plan.accelerator }
      : { ref: settings.image };
  return new ServingImage(`${name}-image`, args).ref;
}

/** service and monitoring, the same on every cluster. */
export function serveInCluster(
  name: string,
  settings: ServiceSettings,
  plan: Plan,
  models: readonly ModelVersion[],
  place: Place,
  opts: pulumi.ComponentResourceOptions,
) {
  const { monitoring } = settings;
  const keys = new ApiKeys(
    `${name}-keys`,
    {
      namespace: place.namespace,
      image: place.image,
      ...(settings.apiKeysSecret === undefined ? {} : { secretName: settings.apiKeysSecret }),
    },
    opts,
  );
  const service = new InferenceService(
    name,
    {
      namespace: place.namespace,
      image: place.image,
      size: plan,
      modelSource: place.modelSource,
      models,
      settings: pulumi.output(place.middleware).apply((middleware) => ({
        ...middleware,
        keysFile: `${secretsDir}/keys/${keysFileName}`,
        ...(settings.models ? { models: settings.models } : {}),
      })),
      secrets: [
        ...place.secrets,
        {
          name: 'keys',
          // The key itself is in the same Secret: only its digest reaches the server.
          volume: {
            secret: { secretName: keys.secretName, items: [{ key: keysFileName, path: keysFileName }] },
          },
        },
      ],
      sysctls: podSysctls(),
      scaleOn: settings.scaleOn,
      prometheusUrl: prometheusUrl(monitoring.kind, settings.namespace, monitoring.operatorNamespace),
      prometheus: scraper(monitoring.kind, monitoring.operatorNamespace),
      callers: settings.callers,
      egress: place.egress,
      clusterRights: settings.clusterRights,
      exposure: settings.exposure as InferenceServiceArgs['exposure'] & object,
      ...(place.nodeSelector ? { nodeSelector: place.nodeSelector } : {}),
    },
    opts,
  );
  new Monitoring(
    `${name}-monitoring`,
    {
      ...monitoring,
      namespace: settings.namespace,
      objectives: monitoring.slo,
      ...(settings.imageRegistry === undefined ? {} : { imageRegistry: settings.imageRegistry }),
      ...(settings.storageClass === undefined ? {} : { storageClass: settings.storageClass }),
      ...(monitoring.gpuMetrics ? { nodeAgentsNamespace } : {}),
      readers: settings.scaleOn === 'keda' ? ['keda'] : [],
    } as ConstructorParameters<typeof Monitoring>[1],
    opts,
  );
  return { endpoint: service.endpoint };
}
