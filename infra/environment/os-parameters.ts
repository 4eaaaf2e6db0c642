/** One kernel parameter, and where it may be set. */
export interface OsParameter {
  readonly value: string;
  /** `node`: machine-wide, user data of a node pool. `pod`: namespaced and on Kubernetes's list of safe sysctls. */
  readonly scope: 'node' | 'pod';
  readonly why: string;
  readonly source: string;
}

/** The "OS parameters" of environment = g(hardware, OS parameters, middleware): for a server of many short connections. */
export const osParameters = {
  'net.core.somaxconn': {
    value: '4096',
    scope: 'node',
    why: 'Accept queue of a listener: bursts of new connections wait instead of being reset.',
    source: 'Linux Documentation/admin-guide/sysctl/net.rst; listen(2)',
  },
  'net.ipv4.tcp_max_syn_backlog': {
    value: '8192',
    scope: 'node',
    why: 'Half-open connections a listener remembers; goes with somaxconn.',
    source: 'Linux Documentation/networking/ip-sysctl.rst',
  },
  'net.core.rmem_max': {
    value: '16777216',
    scope: 'node',
    why: 'Lets TCP grow its window for tensors of megabytes between zones.',
    source: 'Linux Documentation/admin-guide/sysctl/net.rst',
  },
  'net.core.wmem_max': {
    value: '16777216',
    scope: 'node',
    why: 'As rmem_max, for answers.',
    source: 'Linux Documentation/admin-guide/sysctl/net.rst',
  },
  'fs.inotify.max_user_instances': {
    value: '8192',
    scope: 'node',
    why: 'Each watcher of a configuration or certificate file takes one; 128 run out on a full node.',
    source: 'inotify(7)',
  },
  'vm.max_map_count': {
    value: '262144',
    scope: 'node',
    why: 'Memory-mapped weights and CUDA reserve many regions a process.',
    source: 'Linux Documentation/admin-guide/sysctl/vm.rst',
  },
  'vm.swappiness': {
    value: '1',
    scope: 'node',
    why: 'Weights that are paged out come back at disk speed: latency before memory.',
    source: 'Linux Documentation/admin-guide/sysctl/vm.rst',
  },
  'net.ipv4.ip_local_port_range': {
    value: '10240 65535',
    scope: 'pod',
    why: 'Outgoing connections to the database, cache and model store; starts above our own ports.',
    source: 'Kubernetes: safe sysctls',
  },
  'net.ipv4.tcp_keepalive_time': {
    value: '300',
    scope: 'pod',
    why: 'Finds dead clients before the 350 s idle limit of a network load balancer cuts them silently.',
    source: 'Kubernetes: safe sysctls (1.29); AWS: NLB idle timeout',
  },
  'net.ipv4.tcp_fin_timeout': {
    value: '30',
    scope: 'pod',
    why: 'Frees the ports of closed connections sooner.',
    source: 'Kubernetes: safe sysctls (1.29)',
  },
} as const satisfies Record<string, OsParameter>;

/** Sysctls that Kubernetes lets any pod set, by the release that made them safe. Source: Kubernetes documentation, "Using sysctls". */
export const safeSysctls: readonly string[] = [
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_wmem',
];

function rows(scope: OsParameter['scope']): { name: string; value: string }[] {
  return Object.entries(osParameters)
    .filter(([, parameter]) => parameter.scope === scope)
    .map(([name, { value }]) => ({ name, value }));
}

/** What a pod's `securityContext.sysctls` takes. */
export const podSysctls = (): { name: string; value: string }[] => rows('pod');

/** A file for /etc/sysctl.d. */
export const nodeSysctlFile = (): string =>
  rows('node')
    .map(({ name, value }) => `${name} = ${value}\n`)
    .join('');
