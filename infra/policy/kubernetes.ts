import { containersOf, podKinds, podTemplate, restrictedFaults } from './pods.ts';
import { type Inputs, type Rule, unless } from './rule.ts';

/** Namespaces whose pods must see the hardware: the listed exceptions to "restricted". */
export const privilegedNamespaces = ['modelmile-node-agents'] as const;

const privileged = (inputs: Inputs) =>
  (privilegedNamespaces as readonly string[]).includes(inputs['metadata']?.namespace);

/** GPUs that a pod of the template holds. */
export const gpusOf = (template: Inputs): number =>
  containersOf(template).reduce(
    (sum, one) => sum + Number(one['resources']?.limits?.['nvidia.com/gpu'] ?? 0),
    0,
  );

/** `registry:5000/name@sha256:...` and `name:1.2.3` say which image; `name`, `name:latest` do not. */
export function namesOneImage(image: string): boolean {
  if (image.includes('@sha256:')) return true;
  const tag = /:([^/:]+)$/.exec(image)?.[1];
  return tag !== undefined && tag !== 'latest';
}

export const kubernetesRules = {
  'restricted-pods': {
    enforcement: 'mandatory',
    holds: 'Every pod meets Pod Security "restricted" with a read-only root, but for the listed node agents.',
    types: podKinds,
    check: (inputs) => {
      const template = podTemplate(inputs);
      return template && !privileged(inputs) ? restrictedFaults(template) : [];
    },
  },
  'pinned-images': {
    enforcement: 'mandatory',
    holds: 'An image is named by digest or by a version, never by "latest".',
    types: podKinds,
    check: (inputs) =>
      containersOf(podTemplate(inputs) ?? {}).flatMap(({ name, image }) =>
        unless(
          typeof image !== 'string' || namesOneImage(image),
          `container ${name}: '${image}' may be another image tomorrow; name a version or a digest`,
        ),
      ),
  },
  'bounded-pods': {
    enforcement: 'mandatory',
    holds: 'Every container asks for CPU and memory, and has a limit of memory.',
    types: podKinds,
    check: (inputs) =>
      containersOf(podTemplate(inputs) ?? {}).flatMap(({ name, resources }) =>
        unless(
          resources?.requests?.cpu && resources?.requests?.memory && resources?.limits?.memory,
          `container ${name}: give requests.cpu, requests.memory and limits.memory`,
        ),
      ),
  },
  'no-token': {
    enforcement: 'mandatory',
    holds: 'A pod has no token of the API server, unless it has an account of its own.',
    types: podKinds,
    check: (inputs) => {
      const spec = podTemplate(inputs)?.['spec'];
      if (!spec) return [];
      return unless(
        spec.automountServiceAccountToken === false || 'serviceAccountName' in spec,
        'set automountServiceAccountToken: false',
      );
    },
  },
  'gpu-rollout': {
    enforcement: 'mandatory',
    holds: 'A rollout never waits for a GPU that nobody has to spare.',
    types: ['Deployment'],
    check: (inputs) => {
      const template = podTemplate(inputs);
      if (!template || gpusOf(template) === 0) return [];
      const strategy = inputs['spec'].strategy ?? {};
      const surge = strategy.rollingUpdate?.maxSurge ?? '25%';
      return unless(
        strategy.type === 'Recreate' || String(surge).replace('%', '') === '0',
        `maxSurge ${surge} would start a pod that stays Pending when every GPU is taken; set maxSurge: 0 with maxUnavailable: 1, or Recreate`,
      );
    },
  },
  'no-public-service': {
    enforcement: 'mandatory',
    holds: 'No Service is open to everyone, and none opens a port of every node.',
    types: ['Service'],
    check: (inputs) => {
      const spec = inputs['spec'] ?? {};
      if (spec.type === 'NodePort') return ['a NodePort is open on every node; use ClusterIP with a Gateway'];
      if (spec.type !== 'LoadBalancer') return [];
      const ranges: string[] = spec.loadBalancerSourceRanges ?? [];
      return unless(
        ranges.length > 0 && !ranges.some((range) => /\/0$/.test(range)),
        'loadBalancerSourceRanges: list the networks of the callers, never a range of /0',
      );
    },
  },
  'no-secret-values': {
    enforcement: 'mandatory',
    holds: 'No Secret of ours passes its values through the state.',
    types: ['kubernetes:core/v1:Secret'],
    check: () => ['make it in the cluster (GeneratedSecret), by a secrets store, or beforehand, and name it'],
  },
  'signed-models': {
    enforcement: 'mandatory',
    holds: 'A server that reads models from a store loads only signed ones.',
    types: ['ConfigMap'],
    check: (inputs) => {
      const text = inputs['data']?.['settings.json'];
      if (typeof text !== 'string') return [];
      const { modelRoot = '', trustedKeys = [] } = JSON.parse(text);
      return unless(
        !/^(s3|https):/.test(modelRoot) || trustedKeys.length > 0,
        `models come from ${modelRoot}, and no key is trusted; set serving.trustedKeys`,
      );
    },
  },
  'narrow-roles': {
    enforcement: 'mandatory',
    holds: 'Roles name verbs, resources and groups; nobody of ours is cluster-admin.',
    types: [
      'kubernetes:rbac.authorization.k8s.io/v1:Role',
      'ClusterRole',
      'ClusterRoleBinding',
      'RoleBinding',
    ],
    check: (inputs) => [
      ...(inputs['rules'] ?? []).flatMap((rule: Inputs) =>
        unless(
          ![...(rule['verbs'] ?? []), ...(rule['resources'] ?? []), ...(rule['apiGroups'] ?? [])].includes(
            '*',
          ),
          'a rule with * allows what does not exist yet; list it',
        ),
      ),
      ...unless(inputs['roleRef']?.name !== 'cluster-admin', 'cluster-admin may do everything; write a Role'),
    ],
  },
  'closed-network-policies': {
    enforcement: 'mandatory',
    holds: 'A NetworkPolicy lists who may connect; an empty rule would be everyone.',
    types: ['NetworkPolicy'],
    check: (inputs) =>
      (inputs['spec']?.ingress ?? []).flatMap((rule: Inputs) =>
        unless(
          (rule['from'] ?? []).length > 0 && (rule['ports'] ?? []).length > 0,
          'an ingress rule without `from` or `ports` lets everyone in',
        ).concat(
          (rule['from'] ?? [])
            .filter((peer: Inputs) => /\/0$/.test(peer['ipBlock']?.cidr ?? ''))
            .map(() => 'an ingress rule from a range of /0 lets everyone in'),
        ),
      ),
  },
  'restricted-namespaces': {
    enforcement: 'mandatory',
    holds: 'A namespace enforces Pod Security "restricted", but for the listed node agents.',
    types: ['Namespace'],
    check: (inputs) =>
      unless(
        (privilegedNamespaces as readonly string[]).includes(inputs['metadata']?.name) ||
          inputs['metadata']?.labels?.['pod-security.kubernetes.io/enforce'] === 'restricted',
        'label it pod-security.kubernetes.io/enforce: restricted',
      ),
  },
} as const satisfies Record<string, Rule>;
