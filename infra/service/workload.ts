import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import { ports, type ServingSettingsInput } from '../../serving/contract/index.ts';
import { shortDigest } from '../digest.ts';
import type { Labels } from '../labels.ts';
import { restrictedContainer, restrictedPod } from '../restricted-pod.ts';
import { type ModelSource, type ModelVersion, mountModels } from './models.ts';
import { preStopSeconds, probes, rolloutStrategy } from './rollout.ts';

/** The part of a sizing plan that a pod is made of (`infra/environment/sizing.ts`). */
export interface PodSize {
  readonly minReplicas: number;
  readonly workers: number;
  readonly cpuMillis: number;
  readonly memoryMiB: number;
  readonly gpusPerReplica: number;
  readonly maxBatchSize: number;
  readonly batchTimeoutMs: number;
  readonly startupDeadlineSeconds: number;
}

/** Files of a Secret, or of a secrets store, that the server reads. */
export interface SecretFiles {
  /** Folder under /etc/modelmile/secrets. */
  readonly name: string;
  readonly volume: Omit<k8s.types.input.core.v1.Volume, 'name'>;
}

export interface WorkloadArgs {
  readonly namespace: pulumi.Input<string>;
  readonly labels: Labels;
  /** By digest. Changing it rolls the pods. */
  readonly image: pulumi.Input<string>;
  readonly size: PodSize;
  readonly modelSource: ModelSource;
  readonly models: readonly ModelVersion[];
  /** What the server is told beyond what follows from the rest, canary labels for example. Changing it rolls the pods. */
  readonly settings: pulumi.Input<Partial<ServingSettingsInput>>;
  readonly secrets: readonly SecretFiles[];
  /** Where GPU or tuned nodes are. @default anywhere */
  readonly nodeSelector?: Readonly<Record<string, string>> | undefined;
  /** @default no class of its own */
  readonly priorityClassName?: pulumi.Input<string> | undefined;
  /** Safe sysctls of the pod. @default none */
  readonly sysctls?: readonly { readonly name: string; readonly value: string }[];
  /** HPA or KEDA owns the number of replicas: the Deployment then names none. */
  readonly autoscaled: boolean;
}

/** What is in flight when a pod goes has this long to be answered. */
const drainTimeoutMs = 30_000;
const uid = 65532;
const stateDir = '/var/lib/modelmile';
const settingsDir = '/etc/modelmile/settings';
export const secretsDir = '/etc/modelmile/secrets';

/** Pods spread over zones and nodes where that is possible; where it is not, running together beats not running. */
function spread(labels: Labels): k8s.types.input.core.v1.TopologySpreadConstraint[] {
  return ['topology.kubernetes.io/zone', 'kubernetes.io/hostname'].map((topologyKey) => ({
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable: 'ScheduleAnyway',
    labelSelector: { matchLabels: { ...labels.selector } },
    matchLabelKeys: ['pod-template-hash'],
  }));
}

/** The server in pods: its settings, its models, its account without rights, and a rollout that drops no request. */
export class Workload extends pulumi.ComponentResource {
  readonly deployment: k8s.apps.v1.Deployment;
  readonly serviceAccountName: pulumi.Output<string>;

  constructor(name: string, args: WorkloadArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:service:Workload', name, {}, opts);
    const child = { parent: this };
    const { namespace, labels, size } = args;
    const account = new k8s.core.v1.ServiceAccount(
      name,
      {
        metadata: { name: 'modelmile-serving', namespace, labels: labels.all },
        automountServiceAccountToken: false,
      },
      child,
    );
    const models = mountModels(name, args.modelSource, args.models, namespace, child);
    const everywhere = { host: '0.0.0.0' };
    const settings = pulumi.all([models.root, args.settings]).apply(([modelRoot, further]) =>
      JSON.stringify(
        {
          rest: { ...everywhere, port: ports.rest },
          grpc: { ...everywhere, port: ports.grpc },
          management: { ...everywhere, port: ports.management },
          workers: size.workers,
          executionProvider: size.gpusPerReplica > 0 ? 'cuda' : 'cpu',
          batching: { maxBatchSize: size.maxBatchSize, batchTimeoutMs: size.batchTimeoutMs },
          // The page is for the one person at a developer's machine.
          console: false,
          ...(further as Partial<ServingSettingsInput>),
          modelRoot,
          stateDir,
          drainTimeoutMs,
        } satisfies ServingSettingsInput,
        null,
        2,
      ),
    );
    const settingsMap = new k8s.core.v1.ConfigMap(
      `${name}-settings`,
      {
        metadata: {
          name: settings.apply((text) => `modelmile-settings-${shortDigest(text)}`),
          namespace,
          labels: labels.all,
        },
        immutable: true,
        data: { 'settings.json': settings },
      },
      child,
    );
    const writable = [
      { name: 'state', mountPath: stateDir, sizeLimit: '1Gi' },
      { name: 'tmp', mountPath: '/tmp', sizeLimit: '256Mi' },
    ];
    const gpu = size.gpusPerReplica > 0 ? { 'nvidia.com/gpu': String(size.gpusPerReplica) } : {};
    const cpu = `${size.cpuMillis}m`;
    const memory = `${size.memoryMiB}Mi`;
    this.deployment = new k8s.apps.v1.Deployment(
      name,
      {
        metadata: { name: 'modelmile-serving', namespace, labels: labels.all },
        spec: {
          ...(args.autoscaled ? {} : { replicas: size.minReplicas }),
          selector: { matchLabels: { ...labels.selector } },
          strategy: rolloutStrategy(size.gpusPerReplica, size.minReplicas),
          revisionHistoryLimit: 5,
          progressDeadlineSeconds: size.startupDeadlineSeconds + 300,
          template: {
            metadata: {
              labels: labels.all,
              annotations: {
                'modelmile/models': pulumi
                  .all(args.models.map((model) => pulumi.interpolate`${model.name}=${model.digest}`))
                  .apply((all) => all.join(',')),
              },
            },
            spec: {
              serviceAccountName: account.metadata.name,
              automountServiceAccountToken: false,
              enableServiceLinks: false,
              ...(args.priorityClassName === undefined ? {} : { priorityClassName: args.priorityClassName }),
              securityContext: {
                ...restrictedPod(uid),
                ...(args.sysctls ? { sysctls: [...args.sysctls] } : {}),
              },
              terminationGracePeriodSeconds: preStopSeconds + drainTimeoutMs / 1000 + 5,
              topologySpreadConstraints: spread(labels),
              ...(args.nodeSelector ? { nodeSelector: { ...args.nodeSelector } } : {}),
              ...(size.gpusPerReplica > 0
                ? { tolerations: [{ key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' }] }
                : {}),
              containers: [
                {
                  name: 'serving',
                  image: args.image,
                  imagePullPolicy: 'IfNotPresent',
                  args: ['--settings', `${settingsDir}/settings.json`],
                  ports: Object.entries(ports).map(([port, containerPort]) => ({
                    name: port,
                    containerPort,
                  })),
                  ...probes(size.startupDeadlineSeconds, ports.management),
                  lifecycle: { preStop: { sleep: { seconds: preStopSeconds } } },
                  securityContext: restrictedContainer,
                  resources: {
                    requests: { cpu, memory, ...gpu },
                    // A CPU limit is what the server counts its threads from; memory beyond the request would be someone else's.
                    limits: { cpu, memory, ...gpu },
                  },
                  volumeMounts: [
                    ...writable.map(({ name: volume, mountPath }) => ({ name: volume, mountPath })),
                    { name: 'settings', mountPath: settingsDir, readOnly: true },
                    ...models.mounts,
                    ...args.secrets.map((secret) => ({
                      name: `secret-${secret.name}`,
                      mountPath: `${secretsDir}/${secret.name}`,
                      readOnly: true,
                    })),
                  ],
                },
              ],
              volumes: [
                ...writable.map(({ name: volume, sizeLimit }) => ({ name: volume, emptyDir: { sizeLimit } })),
                { name: 'settings', configMap: { name: settingsMap.metadata.name } },
                ...models.volumes,
                ...args.secrets.map((secret) => ({ name: `secret-${secret.name}`, ...secret.volume })),
              ],
            },
          },
        },
      },
      { ...child, customTimeouts: { create: '20m', update: '20m' } },
    );
    this.serviceAccountName = account.metadata.name;
    this.registerOutputs({ serviceAccountName: this.serviceAccountName });
  }
}
