import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import { ports } from '../../serving/contract/index.ts';
import { InfraError } from '../errors.ts';
import type { Labels } from '../labels.ts';

/** How callers outside the cluster reach the service. */
export type ExposureKind =
  /** They do not. */
  | { readonly kind: 'cluster' }
  /** A load balancer; TLS ends there (`annotations` name the certificate) or in the server. */
  | {
      readonly kind: 'load-balancer';
      /** @default the cluster's own class */
      readonly className?: string | undefined;
      /** Addresses that may call. Never everyone: that is what `gateway` with a host name is for. */
      readonly sourceRanges: readonly string[];
      readonly annotations?: Readonly<Record<string, pulumi.Input<string>>> | undefined;
    }
  /** A Gateway (gateway.networking.k8s.io) that ends TLS with the certificate of a Secret. */
  | {
      readonly kind: 'gateway';
      readonly className: string;
      readonly hostname: string;
      readonly tlsSecretName: string;
      /** Namespace whose pods are the gateway: the NetworkPolicy lets only them in. */
      readonly dataPlaneNamespace: string;
    };

export interface ExposureArgs {
  readonly namespace: pulumi.Input<string>;
  readonly labels: Labels;
  readonly exposure: ExposureKind;
}

/** The API as one address: a Service, and what leads to it from outside. */
export class Exposure extends pulumi.ComponentResource {
  /** Where callers send requests. */
  readonly endpoint: pulumi.Output<string>;

  constructor(name: string, args: ExposureArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:service:Exposure', name, {}, opts);
    const child = { parent: this };
    const { exposure, labels, namespace } = args;
    const metadata = { name: 'modelmile', namespace, labels: labels.all };
    const balanced = exposure.kind === 'load-balancer';
    if (balanced && exposure.sourceRanges.some((range) => /\/0$/.test(range))) {
      throw new InfraError(
        'POLICY_VIOLATED',
        'exposure.sourceRanges: a range of /0 is everyone; list the networks of your callers.',
      );
    }
    const service = new k8s.core.v1.Service(
      name,
      {
        metadata: {
          ...metadata,
          ...(balanced && exposure.annotations ? { annotations: exposure.annotations } : {}),
        },
        spec: {
          type: balanced ? 'LoadBalancer' : 'ClusterIP',
          selector: { ...labels.selector },
          ports: [
            { name: 'rest', port: balanced ? 443 : ports.rest, targetPort: 'rest', appProtocol: 'http' },
            { name: 'grpc', port: ports.grpc, targetPort: 'grpc', appProtocol: 'kubernetes.io/h2c' },
          ],
          ...(balanced
            ? {
                loadBalancerSourceRanges: [...exposure.sourceRanges],
                externalTrafficPolicy: 'Cluster',
                allocateLoadBalancerNodePorts: false,
                ...(exposure.className === undefined ? {} : { loadBalancerClass: exposure.className }),
              }
            : {}),
        },
      },
      child,
    );
    const inside = pulumi.interpolate`http://${service.metadata.name}.${namespace}.svc:${ports.rest}`;
    this.endpoint = balanced
      ? service.status.apply((status) => {
          const first = status?.loadBalancer?.ingress?.[0];
          return `https://${first?.hostname ?? first?.ip ?? '(address pending)'}`;
        })
      : inside;
    if (exposure.kind === 'gateway') {
      this.endpoint = pulumi.output(`https://${exposure.hostname}`);
      gateway(name, exposure, metadata, service.metadata.name, child);
    }
    this.registerOutputs({ endpoint: this.endpoint });
  }
}

function gateway(
  name: string,
  exposure: Extract<ExposureKind, { kind: 'gateway' }>,
  metadata: k8s.types.input.meta.v1.ObjectMeta,
  serviceName: pulumi.Input<string>,
  opts: pulumi.ResourceOptions,
) {
  const api = 'gateway.networking.k8s.io/v1';
  const parentRefs = [{ name: 'modelmile', sectionName: 'https' }];
  const hostnames = [exposure.hostname];
  const resource = (suffix: string, kind: string, spec: object) =>
    new k8s.apiextensions.CustomResource(
      `${name}-${suffix}`,
      { apiVersion: api, kind, metadata, spec },
      opts,
    );
  resource('gateway', 'Gateway', {
    gatewayClassName: exposure.className,
    listeners: [
      {
        name: 'https',
        protocol: 'HTTPS',
        port: 443,
        hostname: exposure.hostname,
        tls: { mode: 'Terminate', certificateRefs: [{ kind: 'Secret', name: exposure.tlsSecretName }] },
        allowedRoutes: { namespaces: { from: 'Same' } },
      },
    ],
  });
  resource('rest', 'HTTPRoute', {
    parentRefs,
    hostnames,
    rules: [{ backendRefs: [{ name: serviceName, port: ports.rest }] }],
  });
  resource('grpc', 'GRPCRoute', {
    parentRefs,
    hostnames,
    rules: [{ backendRefs: [{ name: serviceName, port: ports.grpc }] }],
  });
}
