import type { Inputs } from './rule.ts';

/** Kinds that make pods, and where their template is. */
const templates: Readonly<Record<string, (inputs: Inputs) => Inputs | undefined>> = {
  Pod: (inputs) => inputs,
  Deployment: (inputs) => inputs['spec']?.template,
  StatefulSet: (inputs) => inputs['spec']?.template,
  DaemonSet: (inputs) => inputs['spec']?.template,
  Job: (inputs) => inputs['spec']?.template,
  CronJob: (inputs) => inputs['spec']?.jobTemplate?.spec?.template,
};
export const podKinds = Object.keys(templates);

/** The pod template of a resource, whatever its kind. */
export function podTemplate(inputs: Inputs): Inputs | undefined {
  const kind: string | undefined = inputs['kind'];
  if (kind !== undefined) return templates[kind]?.(inputs);
  return (
    inputs['spec']?.jobTemplate?.spec?.template ??
    inputs['spec']?.template ??
    (inputs['spec']?.containers ? inputs : undefined)
  );
}

export const containersOf = (template: Inputs): Inputs[] => [
  ...(template['spec']?.initContainers ?? []),
  ...(template['spec']?.containers ?? []),
  ...(template['spec']?.ephemeralContainers ?? []),
];

const allowedVolumes = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'persistentVolumeClaim',
  'projected',
  'secret',
];
const safeSysctls = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_wmem',
]);

/**
 * Where a pod falls short of Pod Security "restricted" (and of a read-only root, which the standard does not ask for).
 * Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/ (1.34), field by field.
 */
export function restrictedFaults(template: Inputs): string[] {
  const spec: Inputs = template['spec'] ?? {};
  const pod: Inputs = spec['securityContext'] ?? {};
  const faults: string[] = [];
  const must = (holds: boolean, sentence: string) => {
    if (!holds) faults.push(sentence);
  };
  for (const field of ['hostNetwork', 'hostPID', 'hostIPC'])
    must(!spec[field], `spec.${field} must not be true`);
  for (const volume of spec['volumes'] ?? []) {
    const kinds = Object.keys(volume).filter((key) => key !== 'name');
    must(
      kinds.every((kind) => allowedVolumes.includes(kind)),
      `volume ${volume.name}: ${kinds.join(', ')} is not allowed`,
    );
  }
  for (const sysctl of pod['sysctls'] ?? [])
    must(safeSysctls.has(sysctl.name), `sysctl ${sysctl.name} is not safe`);
  for (const container of containersOf(template)) {
    const own: Inputs = container['securityContext'] ?? {};
    const at = `container ${container['name']}`;
    const either = (field: string) => own[field] ?? pod[field];
    must(!own['privileged'], `${at}: privileged`);
    must(own['allowPrivilegeEscalation'] === false, `${at}: allowPrivilegeEscalation must be false`);
    must(either('runAsNonRoot') === true, `${at}: runAsNonRoot must be true`);
    must(either('runAsUser') !== 0, `${at}: runAsUser must not be 0`);
    must(
      ['RuntimeDefault', 'Localhost'].includes(either('seccompProfile')?.type),
      `${at}: seccompProfile must be RuntimeDefault`,
    );
    must(own['capabilities']?.drop?.includes('ALL') ?? false, `${at}: capabilities must drop ALL`);
    must(
      (own['capabilities']?.add ?? []).every((one: string) => one === 'NET_BIND_SERVICE'),
      `${at}: capabilities must not add any`,
    );
    must((own['procMount'] ?? 'Default') === 'Default', `${at}: procMount must be Default`);
    must(own['readOnlyRootFilesystem'] === true, `${at}: readOnlyRootFilesystem must be true`);
    for (const port of container['ports'] ?? []) must(!port.hostPort, `${at}: hostPort`);
  }
  return faults;
}
