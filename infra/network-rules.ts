import type { types } from '@pulumi/kubernetes';
import type { Labels } from './labels.ts';

type Peer = types.input.networking.v1.NetworkPolicyPeer;
type IngressRule = types.input.networking.v1.NetworkPolicyIngressRule;
type EgressRule = types.input.networking.v1.NetworkPolicyEgressRule;

const tcp = (...ports: number[]) => ports.map((port) => ({ protocol: 'TCP', port }));

/** Pods of one component in the policy's own namespace. */
export const podsOf = (labels: Labels): Peer => ({ podSelector: { matchLabels: { ...labels.selector } } });

/** Every pod of another namespace. */
export const namespaceOf = (name: string): Peer => ({
  namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } },
});

export const addresses = (cidr: string, except: readonly string[] = []): Peer => ({
  ipBlock: except.length === 0 ? { cidr } : { cidr, except: [...except] },
});

/** Opens TCP ports to some peers. No peers at all would mean everyone, so that is not sayable here. */
export const ingressFrom = (peers: readonly [Peer, ...Peer[]], ...ports: number[]): IngressRule => ({
  from: [...peers],
  ports: tcp(...ports),
});

export const egressTo = (peers: readonly [Peer, ...Peer[]], ...ports: number[]): EgressRule => ({
  to: [...peers],
  ports: tcp(...ports),
});

/** Private ranges (RFC 1918) and the link-local range with the metadata service: never reached by a rule "to the internet". */
export const notTheInternet = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254.0.0/16'] as const;

/** HTTPS to public addresses only. */
export const httpsToTheInternet: EgressRule = egressTo([addresses('0.0.0.0/0', notTheInternet)], 443);

/**
 * The collector of traces at a URL: pods of this namespace by a bare name, of another by `service.namespace` or `service.namespace.svc...`,
 * else public addresses. The service's port must be its pods'.
 */
export function collectorRule(endpoint: string): EgressRule {
  const { hostname, port, protocol } = new URL(endpoint);
  const [, namespace, svc] = hostname.split('.');
  const peer =
    namespace === undefined
      ? { podSelector: {} }
      : svc === undefined || svc === 'svc'
        ? namespaceOf(namespace)
        : addresses('0.0.0.0/0', notTheInternet);
  return egressTo([peer], Number(port || (protocol === 'https:' ? 443 : 80)));
}

/** Name resolution: CoreDNS in kube-system, or a resolver of the node at `dnsCidr` where the platform has one. */
export function dnsRule(dnsCidr?: string): EgressRule {
  const peers = [namespaceOf('kube-system'), ...(dnsCidr === undefined ? [] : [addresses(dnsCidr)])];
  return {
    to: peers,
    ports: [
      { protocol: 'UDP', port: 53 },
      { protocol: 'TCP', port: 53 },
    ],
  };
}
