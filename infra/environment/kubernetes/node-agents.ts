import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import { imageRef } from '../../images.ts';
import { labelsOf } from '../../labels.ts';

export interface NodeAgentsArgs {
  /** Announces GPUs to Kubernetes: on nodes whose image does not do so itself (managed node groups). @default false */
  readonly devicePlugin?: boolean | undefined;
  /** DCGM's exporter. @default true */
  readonly metrics?: boolean | undefined;
  /** @default the public registries */
  readonly imageRegistry?: string | undefined;
}

/** Namespace of what must see the hardware; the only one that is not restricted, and nothing else is in it. */
export const nodeAgentsNamespace = 'modelmile-node-agents';
const dcgmPort = 9400;

/** A GPU node says so in one of three ways: EKS Auto Mode, NVIDIA's feature discovery, our managed node groups. */
const onGpuNodes = {
  nodeAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: {
      nodeSelectorTerms: [
        ['eks.amazonaws.com/instance-gpu-manufacturer', 'nvidia'],
        ['nvidia.com/gpu.present', 'true'],
        ['modelmile.dev/gpu', 'true'],
      ].map(([key, value]) => ({ matchExpressions: [{ key: key!, operator: 'In', values: [value!] }] })),
    },
  },
};

/** GPU metrics of every GPU node (DCGM), and the device plugin where the node image has none. */
export class NodeAgents extends pulumi.ComponentResource {
  constructor(name: string, args: NodeAgentsArgs = {}, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:environment:NodeAgents', name, {}, opts);
    const child = { parent: this };
    const namespace = new k8s.core.v1.Namespace(
      name,
      {
        metadata: {
          name: nodeAgentsNamespace,
          labels: {
            ...labelsOf('node-agents').all,
            'pod-security.kubernetes.io/enforce': 'privileged',
            'pod-security.kubernetes.io/audit': 'baseline',
            // Known and listed: a warning at every `up` would only teach people to overlook warnings.
            'pod-security.kubernetes.io/warn': 'privileged',
          },
        },
      },
      child,
    );
    const agent = (
      component: string,
      container: Omit<k8s.types.input.core.v1.Container, 'name'>,
      pod: Partial<k8s.types.input.core.v1.PodSpec>,
    ) => {
      const labels = labelsOf(component);
      return new k8s.apps.v1.DaemonSet(
        `${name}-${component}`,
        {
          metadata: { name: component, namespace: nodeAgentsNamespace, labels: labels.all },
          spec: {
            selector: { matchLabels: { ...labels.selector } },
            updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '10%' } },
            template: {
              metadata: { labels: labels.all },
              spec: {
                automountServiceAccountToken: false,
                enableServiceLinks: false,
                priorityClassName: 'system-node-critical',
                affinity: onGpuNodes,
                tolerations: [{ key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' }],
                containers: [{ name: component, ...container }],
                ...pod,
              },
            },
          },
        },
        { ...child, dependsOn: [namespace] },
      );
    };
    if (args.metrics ?? true) {
      agent(
        'dcgm-exporter',
        {
          image: imageRef('dcgmExporter', args.imageRegistry),
          args: ['--kubernetes=true', '--kubernetes-gpu-id-type=uid', `--address=:${dcgmPort}`],
          ports: [{ name: 'metrics', containerPort: dcgmPort }],
          readinessProbe: {
            httpGet: { path: '/health', port: 'metrics' },
            initialDelaySeconds: 30,
            periodSeconds: 10,
          },
          securityContext: {
            runAsUser: 0,
            runAsNonRoot: false,
            allowPrivilegeEscalation: false,
            // Reads profiling counters of the device; nothing else of the node.
            capabilities: { drop: ['ALL'], add: ['SYS_ADMIN'] },
          },
          // With eight GPUs and profiling metrics it needs more than the chart's 512 MiB (dcgm-exporter issue 342).
          resources: { requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '1Gi' } },
          volumeMounts: [
            { name: 'pod-resources', mountPath: '/var/lib/kubelet/pod-resources', readOnly: true },
          ],
        },
        {
          volumes: [
            {
              name: 'pod-resources',
              hostPath: { path: '/var/lib/kubelet/pod-resources', type: 'Directory' },
            },
          ],
        },
      );
    }
    if (args.devicePlugin) {
      agent(
        'nvidia-device-plugin',
        {
          image: imageRef('nvidiaDevicePlugin', args.imageRegistry),
          env: [{ name: 'FAIL_ON_INIT_ERROR', value: 'true' }],
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
          resources: { requests: { cpu: '50m', memory: '64Mi' }, limits: { memory: '128Mi' } },
          volumeMounts: [{ name: 'device-plugins', mountPath: '/var/lib/kubelet/device-plugins' }],
        },
        {
          // Auto Mode's nodes announce theirs themselves.
          nodeSelector: { 'modelmile.dev/gpu': 'true' },
          volumes: [
            {
              name: 'device-plugins',
              hostPath: { path: '/var/lib/kubelet/device-plugins', type: 'Directory' },
            },
          ],
        },
      );
    }
    this.registerOutputs({});
  }
}
