import * as k8s from '@pulumi/kubernetes';
import type * as pulumi from '@pulumi/pulumi';
import { Middleware } from '../environment/kubernetes/middleware.ts';
import { Namespace } from '../environment/kubernetes/namespace.ts';
import { NodeAgents } from '../environment/kubernetes/node-agents.ts';
import { enforcePolicies } from '../policy/index.ts';
import { type ModelSource, type ModelVersion, secretsDir, servingLabels } from '../service/index.ts';
import { planFor, serveInCluster, servingImage } from './cluster.ts';
import type { KubernetesSettings, ServiceSettings } from './cluster-settings.ts';

/** `config-map`, `volume:<claim>` or an address. */
function modelSource(store: string): ModelSource {
  if (store === 'config-map') return { kind: 'config-map' };
  if (store.startsWith('volume:')) return { kind: 'volume', claimName: store.slice('volume:'.length) };
  return { kind: 'remote', root: store };
}

/** Any cluster that a kubeconfig reaches: environment, service and monitoring in one namespace. */
export function deployToKubernetes(
  stack: string,
  service: ServiceSettings,
  settings: KubernetesSettings,
  models: readonly ModelVersion[],
  root: string,
): { endpoint: pulumi.Output<string> } {
  enforcePolicies();
  const provider = new k8s.Provider(stack, {
    ...(settings.context === undefined ? {} : { context: settings.context }),
    enableServerSideApply: true,
  });
  const opts: pulumi.ComponentResourceOptions = { providers: [provider] };
  const plan = planFor(service, root);
  const mirror = service.imageRegistry === undefined ? {} : { imageRegistry: service.imageRegistry };
  const namespace = new Namespace(
    `${stack}-namespace`,
    { name: service.namespace, create: service.clusterRights, quota: settings.quota as object },
    opts,
  ).name;
  const image = servingImage(
    stack,
    service,
    plan,
    service.imageRepository === undefined ? {} : { repository: service.imageRepository },
    root,
  );
  const middleware = new Middleware(
    `${stack}-middleware`,
    {
      namespace,
      kind: settings.middleware as ConstructorParameters<typeof Middleware>[1]['kind'],
      image,
      secretsDir,
      clients: servingLabels,
      ...mirror,
      ...(service.storageClass === undefined ? {} : { storageClass: service.storageClass }),
    },
    opts,
  );
  if (service.monitoring.gpuMetrics && service.clusterRights) new NodeAgents(`${stack}-agents`, mirror, opts);
  return serveInCluster(
    stack,
    service,
    plan,
    models,
    {
      namespace,
      image,
      modelSource: modelSource(settings.modelStore),
      middleware: middleware.settings,
      secrets: (['database', 'cache'] as const).map((name) => ({
        name,
        volume: { secret: { secretName: middleware.secrets[name] } },
      })),
      egress: middleware.egress,
      ...(service.nodeSelector ? { nodeSelector: service.nodeSelector } : {}),
    },
    opts,
  );
}
