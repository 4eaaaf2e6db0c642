import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import { shortDigest } from './digest.ts';
import { labelsOf } from './labels.ts';
import { restrictedContainer, restrictedPod } from './restricted-pod.ts';

type Container = k8s.types.input.core.v1.Container;
type Volume = k8s.types.input.core.v1.Volume;
type Policy = k8s.types.input.networking.v1.NetworkPolicySpec;

export interface SinglePodArgs {
  readonly namespace: pulumi.Input<string>;
  /** `database`, `prometheus`, ...: names everything, and is the label that NetworkPolicies see. */
  readonly component: string;
  readonly image: string;
  readonly port: number;
  /** The image's own user. */
  readonly uid: number;
  readonly command?: readonly string[] | undefined;
  readonly args?: readonly string[] | undefined;
  readonly env?: readonly k8s.types.input.core.v1.EnvVar[] | undefined;
  /** How to know that it answers: a path on its port, or a command that exits 0. */
  readonly ready: { readonly path: string } | { readonly command: readonly string[] };
  /** Folder -> file -> text. Changing a text rolls the pod. @default none */
  readonly files?: Readonly<Record<string, Readonly<Record<string, string>>>> | undefined;
  /** Volumes that are there already, Secrets for example. @default none */
  readonly volumes?: readonly {
    readonly mountPath: string;
    readonly volume: Omit<Volume, 'name'>;
  }[];
  /** Folders that must be writable and may be lost. @default none */
  readonly scratch?: readonly string[] | undefined;
  /** What outlives the pod. A volume can grow, never shrink. @default nothing */
  readonly data?: { readonly path: string; readonly gib: number; readonly storageClass?: string | undefined };
  readonly cpuMillis: number;
  readonly memoryMiB: number;
  /** @default no account of its own, and no token */
  readonly serviceAccountName?: pulumi.Input<string> | undefined;
  readonly ingress: NonNullable<Policy['ingress']>;
  readonly egress?: NonNullable<Policy['egress']> | undefined;
}

/** A server that runs once, with its Service, its data and its fences: databases, Prometheus, Grafana. */
export class SinglePod extends pulumi.ComponentResource {
  /** DNS name inside the namespace. */
  readonly host: pulumi.Output<string>;

  constructor(name: string, args: SinglePodArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:kubernetes:SinglePod', name, {}, opts);
    const child = { parent: this };
    const labels = labelsOf(args.component);
    const { namespace } = args;
    const metadata = { name: `modelmile-${args.component}`, namespace, labels: labels.all };
    const service = new k8s.core.v1.Service(
      name,
      {
        metadata,
        spec: {
          selector: { ...labels.selector },
          ports: [{ name: args.component, port: args.port, targetPort: args.component }],
        },
      },
      child,
    );
    new k8s.networking.v1.NetworkPolicy(
      name,
      {
        metadata,
        spec: {
          podSelector: { matchLabels: { ...labels.selector } },
          policyTypes: ['Ingress', 'Egress'],
          ingress: args.ingress,
          egress: args.egress ?? [],
        },
      },
      child,
    );
    const mounted = [
      ...this.files(name, args, metadata),
      ...(args.volumes ?? []),
      ...scratch(args.scratch ?? []),
    ].map(({ mountPath, volume }, i) => ({
      name: `volume-${i}`,
      mountPath,
      volume,
      readOnly: !('emptyDir' in volume),
    }));
    new k8s.apps.v1.StatefulSet(
      name,
      {
        metadata,
        spec: {
          serviceName: service.metadata.name,
          replicas: 1,
          selector: { matchLabels: { ...labels.selector } },
          persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
          template: {
            metadata: { labels: labels.all },
            spec: {
              automountServiceAccountToken: args.serviceAccountName !== undefined,
              ...(args.serviceAccountName === undefined
                ? {}
                : { serviceAccountName: args.serviceAccountName }),
              enableServiceLinks: false,
              securityContext: restrictedPod(args.uid),
              terminationGracePeriodSeconds: 60,
              containers: [
                {
                  name: args.component,
                  image: args.image,
                  ...(args.command ? { command: [...args.command] } : {}),
                  ...(args.args ? { args: [...args.args] } : {}),
                  ...(args.env ? { env: [...args.env] } : {}),
                  ports: [{ name: args.component, containerPort: args.port }],
                  ...probes(args),
                  securityContext: restrictedContainer,
                  resources: {
                    requests: { cpu: `${args.cpuMillis}m`, memory: `${args.memoryMiB}Mi` },
                    limits: { memory: `${args.memoryMiB}Mi` },
                  },
                  volumeMounts: [
                    ...(args.data ? [{ name: 'data', mountPath: args.data.path }] : []),
                    ...mounted.map(({ name: volume, mountPath, readOnly }) => ({
                      name: volume,
                      mountPath,
                      readOnly,
                    })),
                  ],
                },
              ],
              volumes: mounted.map(({ name: volumeName, volume }) => ({ name: volumeName, ...volume })),
            },
          },
          ...(args.data ? { volumeClaimTemplates: [claim(args.data)] } : {}),
        },
      },
      child,
    );
    this.host = service.metadata.name;
    this.registerOutputs({ host: this.host });
  }

  /** A ConfigMap a folder, named by its content: a pod and its files always belong together. */
  private files(
    name: string,
    args: SinglePodArgs,
    metadata: { name: string; namespace: pulumi.Input<string> },
  ) {
    return Object.entries(args.files ?? {}).map(([mountPath, data], i) => {
      const map = new k8s.core.v1.ConfigMap(
        `${name}-files-${i}`,
        {
          metadata: { ...metadata, name: `${metadata.name}-${i}-${shortDigest(JSON.stringify(data))}` },
          immutable: true,
          data: { ...data },
        },
        { parent: this },
      );
      return { mountPath, volume: { configMap: { name: map.metadata.name } } };
    });
  }
}

const scratch = (paths: readonly string[]) =>
  paths.map((mountPath) => ({ mountPath, volume: { emptyDir: { sizeLimit: '256Mi' } } }));

const claim = (data: NonNullable<SinglePodArgs['data']>) => ({
  metadata: { name: 'data' },
  spec: {
    accessModes: ['ReadWriteOnce'],
    ...(data.storageClass === undefined ? {} : { storageClassName: data.storageClass }),
    resources: { requests: { storage: `${data.gib}Gi` } },
  },
});

function probes(args: SinglePodArgs): Pick<Container, 'startupProbe' | 'readinessProbe' | 'livenessProbe'> {
  const { ready } = args;
  const check =
    'path' in ready
      ? { httpGet: { path: ready.path, port: args.component } }
      : { exec: { command: [...ready.command] } };
  const probe = (periodSeconds: number, failureThreshold: number) => ({
    ...check,
    periodSeconds,
    failureThreshold,
    timeoutSeconds: 5,
  });
  return { startupProbe: probe(2, 60), readinessProbe: probe(5, 3), livenessProbe: probe(20, 6) };
}
