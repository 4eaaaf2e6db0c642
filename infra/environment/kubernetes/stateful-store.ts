import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import { type Labels, labelsOf } from '../../labels.ts';
import { ingressFrom, podsOf } from '../../network-rules.ts';
import { restrictedContainer, restrictedPod } from '../../restricted-pod.ts';

type Probe = k8s.types.input.core.v1.Probe;

/** What differs between one stateful store and another. */
export interface StatefulStoreArgs {
  readonly namespace: pulumi.Input<string>;
  /** `database` or `cache`: names the Service, and is the label that NetworkPolicies see. */
  readonly component: string;
  readonly image: string;
  readonly port: number;
  /** The image's own user. */
  readonly uid: number;
  readonly args?: readonly string[];
  readonly env: readonly k8s.types.input.core.v1.EnvVar[];
  /** Command that exits 0 when the store answers. */
  readonly ready: readonly string[];
  /** Where the data lies in the container. */
  readonly dataPath: string;
  /** Further folders that must be writable. */
  readonly writable: readonly string[];
  readonly storageGiB: number;
  readonly storageClass?: string;
  readonly cpuMillis: number;
  readonly memoryMiB: number;
  /** Who may connect. */
  readonly clients: readonly [Labels, ...Labels[]];
}

/** One pod with a volume of its own, reachable for its clients only: a database or cache of a stack that has no managed one. */
export class StatefulStore extends pulumi.ComponentResource {
  /** DNS name inside the namespace. */
  readonly host: pulumi.Output<string>;

  constructor(name: string, args: StatefulStoreArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:environment:StatefulStore', name, {}, opts);
    const child = { parent: this };
    const labels = labelsOf(args.component);
    const metadata = { name: `modelmile-${args.component}`, namespace: args.namespace, labels: labels.all };
    const service = new k8s.core.v1.Service(
      name,
      {
        metadata,
        spec: {
          clusterIP: 'None',
          selector: { ...labels.selector },
          ports: [{ name: args.component, port: args.port, targetPort: args.port }],
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
          policyTypes: ['Ingress'],
          ingress: [ingressFrom(args.clients.map(podsOf) as [ReturnType<typeof podsOf>], args.port)],
        },
      },
      child,
    );
    const probe = (periodSeconds: number, failureThreshold: number): Probe => ({
      exec: { command: [...args.ready] },
      periodSeconds,
      failureThreshold,
      timeoutSeconds: 5,
    });
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
              automountServiceAccountToken: false,
              enableServiceLinks: false,
              securityContext: restrictedPod(args.uid),
              terminationGracePeriodSeconds: 60,
              containers: [
                {
                  name: args.component,
                  image: args.image,
                  ...(args.args ? { args: [...args.args] } : {}),
                  env: [...args.env],
                  ports: [{ name: args.component, containerPort: args.port }],
                  startupProbe: probe(2, 60),
                  readinessProbe: probe(5, 3),
                  livenessProbe: probe(20, 6),
                  securityContext: restrictedContainer,
                  resources: {
                    requests: { cpu: `${args.cpuMillis}m`, memory: `${args.memoryMiB}Mi` },
                    limits: { memory: `${args.memoryMiB}Mi` },
                  },
                  volumeMounts: [
                    { name: 'data', mountPath: args.dataPath },
                    ...args.writable.map((mountPath, i) => ({ name: `writable-${i}`, mountPath })),
                  ],
                },
              ],
              volumes: args.writable.map((_, i) => ({
                name: `writable-${i}`,
                emptyDir: { sizeLimit: '64Mi' },
              })),
            },
          },
          volumeClaimTemplates: [
            {
              metadata: { name: 'data' },
              spec: {
                accessModes: ['ReadWriteOnce'],
                ...(args.storageClass === undefined ? {} : { storageClassName: args.storageClass }),
                resources: { requests: { storage: `${args.storageGiB}Gi` } },
              },
            },
          ],
        },
      },
      child,
    );
    this.host = service.metadata.name;
    this.registerOutputs({ host: this.host });
  }
}
