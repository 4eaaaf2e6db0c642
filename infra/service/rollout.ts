import type { types } from '@pulumi/kubernetes';

type Strategy = types.input.apps.v1.DeploymentStrategy;

/**
 * How new pods replace old ones. A GPU is not to be had twice for the length of a rollout: a surge pod would stay Pending for ever, so
 * with GPUs an old pod goes before a new one comes. A CPU always has room for one more.
 */
export function rolloutStrategy(gpusPerReplica: number, minReplicas: number): Strategy {
  if (gpusPerReplica === 0)
    return { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } };
  if (minReplicas > 1) return { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } };
  return { type: 'Recreate' };
}

/** Seconds from "this pod goes away" to SIGTERM: load balancers and kube-proxies stop sending to it meanwhile. */
export const preStopSeconds = 10;

/** Probes on the management port, which serves no predictions. */
export function probes(startupDeadlineSeconds: number, managementPort: number) {
  const get = (path: string) => ({ httpGet: { path, port: managementPort }, timeoutSeconds: 3 });
  return {
    // The model loads and warms up: nothing else is asked until then.
    startupProbe: {
      ...get('/readyz'),
      periodSeconds: 2,
      failureThreshold: Math.ceil(startupDeadlineSeconds / 2),
    },
    readinessProbe: { ...get('/readyz'), periodSeconds: 5, failureThreshold: 2 },
    // Restarting a busy server makes it worse: only a supervisor that is gone for a minute is restarted.
    livenessProbe: { ...get('/healthz'), periodSeconds: 10, failureThreshold: 6 },
  };
}
