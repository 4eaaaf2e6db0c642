import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import { Middleware } from '../environment/kubernetes/middleware.ts';
import { Namespace } from '../environment/kubernetes/namespace.ts';
import { NodeAgents } from '../environment/kubernetes/node-agents.ts';
import { enforcePolicies } from '../policy/index.ts';
import { type ModelSource, secretsDir, servingLabels } from '../service/index.ts';
import { type ClusterEnvironment, monitor, plan, serve, servingImage } from './cluster.ts';
import type { Platform } from './platform.ts';

/** `config-map`, `volume:<claim>` or an address. */
function modelSource(store: string): ModelSource {
  if (store === 'config-map') return { kind: 'config-map' };
  if (store.startsWith('volume:')) return { kind: 'volume', claimName: store.slice('volume:'.length) };
  return { kind: 'remote', root: store };
}

const name = () => `modelmile-${pulumi.getStack()}`;

/** Any cluster that a kubeconfig reaches: everything in one namespace, with or without rights on the cluster itself. */
export const kubernetes: Platform<ClusterEnvironment> = {
  environment(settings) {
    enforcePolicies();
    const provider = new k8s.Provider(name(), {
      ...(settings.kubeContext === undefined ? {} : { context: settings.kubeContext }),
      enableServerSideApply: true,
    });
    const opts = { providers: [provider] };
    const { imageRegistry, storageClass, clusterRights, monitoring } = settings;
    const chosen = plan(settings);
    const namespace = new Namespace(
      `${name()}-namespace`,
      { name: settings.namespace, create: clusterRights, quota: settings.quota },
      opts,
    );
    const inside = { ...opts, dependsOn: [namespace] };
    const image = servingImage(name(), settings, chosen, { repository: settings.imageRepository });
    const middleware = new Middleware(
      `${name()}-middleware`,
      {
        namespace: namespace.name,
        kind: settings.middleware,
        image,
        secretsDir,
        clients: servingLabels,
        imageRegistry,
        storageClass,
      },
      inside,
    );
    const agents =
      monitoring.gpuMetrics && clusterRights
        ? [new NodeAgents(`${name()}-agents`, { imageRegistry }, opts)]
        : [];
    return {
      plan: chosen,
      namespace: namespace.name,
      image,
      modelSource: modelSource(settings.modelStore),
      middleware: middleware.settings,
      secrets: (['database', 'cache'] as const).map((store) => ({
        name: store,
        volume: { secret: { secretName: middleware.secrets[store] } },
      })),
      egress: middleware.egress,
      nodeSelector: settings.nodeSelector,
      opts: { ...inside, dependsOn: [namespace, ...agents] },
    };
  },
  service: (settings, models, environment) => serve(name(), settings, models, environment),
  monitoring: (settings, _service, environment) => monitor(name(), settings, environment),
  feedback: () => 'Postgres of the stack',
};
