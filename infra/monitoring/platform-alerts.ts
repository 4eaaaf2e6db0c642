import type { Alert, Panel } from '../../serving/contract/index.ts';

/** What the service cannot tell about itself: that it is gone, how the GPUs are, whether monitoring works. */
export const platformAlerts: readonly Alert[] = [
  {
    name: 'ServingGone',
    kind: 'anomaly',
    expr: 'absent(up{job="modelmile-serving"} == 1)',
    for: '2m',
    severity: 'page',
    summary: 'No serving pod answers its metrics port.',
    runbook: {
      meaning: 'Callers get no answer at all.',
      look: [
        '`kubectl get pods -l app.kubernetes.io/component=serving` and `kubectl describe` of one: Pending, crashing, or not ready?',
        '`kubectl get events --sort-by=.lastTimestamp`: no node, no image, no volume, a quota?',
        'The NetworkPolicy modelmile-serving: does Prometheus still get in?',
      ],
      mend: [
        '`modelmile rollback` where a rollout caused it.',
        'For Pending GPU pods: raise the limit of the pool, or ask AWS for quota or capacity in another zone.',
      ],
    },
  },
  {
    name: 'ServingPodDown',
    kind: 'anomaly',
    expr: 'up{job="modelmile-serving"} == 0',
    for: '5m',
    severity: 'ticket',
    summary: '{{ $labels.pod }} does not answer its metrics port.',
    runbook: {
      meaning: 'Fewer pods carry the load; callers notice when a second one goes.',
      look: [
        '`kubectl describe pod {{ $labels.pod }}`: restarts, OOMKilled, node gone?',
        'Its logs before the last restart (`kubectl logs -p`).',
      ],
      mend: [
        'OOMKilled: measure the model again (`modelmile profile`) and run `modelmile up`.',
        'Delete the pod where it hangs.',
      ],
    },
  },
  {
    name: 'GpuError',
    kind: 'anomaly',
    expr: 'max by (Hostname, gpu, modelName) (DCGM_FI_DEV_XID_ERRORS) > 0',
    for: '1m',
    severity: 'page',
    summary: 'GPU {{ $labels.gpu }} of {{ $labels.Hostname }} reports XID {{ $value }}.',
    runbook: {
      meaning: 'Inference on that GPU fails or gives errors; pods on it may hang.',
      look: [
        "NVIDIA's table of XID errors: 13 and 31 are the program's, 48, 63, 74, 79, 94, 95 the hardware's.",
        'The logs of the pods on that node.',
      ],
      mend: [
        'Hardware: `kubectl cordon` and `kubectl drain` the node; an elastic pool brings another, a fixed pool repairs itself (node repair).',
        'Program: roll back the image or the model.',
      ],
    },
  },
  {
    name: 'GpuMemoryErrors',
    kind: 'anomaly',
    expr: 'max by (Hostname, gpu, modelName) (DCGM_FI_DEV_ECC_DBE_VOL_TOTAL) > 0',
    for: '1m',
    severity: 'page',
    summary: 'GPU {{ $labels.gpu }} of {{ $labels.Hostname }} has memory errors that cannot be corrected.',
    runbook: {
      meaning: 'Answers computed on it may be wrong.',
      look: ['`DCGM_FI_DEV_ECC_DBE_VOL_TOTAL` and the XID errors of the same GPU.'],
      mend: ['`kubectl cordon` and `kubectl drain` the node at once, then replace it.'],
    },
  },
  {
    name: 'GpuHot',
    kind: 'performance',
    expr: 'max by (Hostname, gpu, modelName) (DCGM_FI_DEV_GPU_TEMP) > 85',
    for: '10m',
    severity: 'ticket',
    summary: 'GPU {{ $labels.gpu }} of {{ $labels.Hostname }} is at {{ $value }} degrees.',
    runbook: {
      meaning: 'It lowers its clock: response times rise.',
      look: ['Clock and power of the GPU beside its temperature.'],
      mend: ['Drain the node; where all are hot, add nodes.'],
    },
  },
  {
    name: 'GpuMemoryFull',
    kind: 'performance',
    expr: 'max by (Hostname, gpu, modelName) (DCGM_FI_DEV_FB_USED / (DCGM_FI_DEV_FB_USED + DCGM_FI_DEV_FB_FREE)) > 0.95',
    for: '10m',
    severity: 'ticket',
    summary: 'GPU {{ $labels.gpu }} of {{ $labels.Hostname }} has less than 5 % of its memory free.',
    runbook: {
      meaning:
        'The next larger batch, or a reload that holds two versions at once, fails for lack of memory.',
      look: ['How many models and versions the pods on it hold (`GET /v1/models/<m>`).'],
      mend: [
        'Lower `maxBatchSize` or the number of versions kept.',
        'Take a GPU with more memory, or convert the model to float16.',
      ],
    },
  },
  {
    name: 'GpuIdle',
    kind: 'performance',
    expr: 'max by (Hostname, gpu, modelName) (avg_over_time(DCGM_FI_DEV_GPU_UTIL[2h])) < 2',
    for: '2h',
    severity: 'ticket',
    summary:
      'GPU {{ $labels.gpu }} of {{ $labels.Hostname }} has done nothing for hours, and costs the same.',
    runbook: {
      meaning: 'Money.',
      look: ['Does a pod hold it (`kubectl describe node`)? Does that pod get requests?'],
      mend: ['Lower `minReplicas`, or let sizing choose CPUs (`accelerator: auto`) for this load.'],
    },
  },
  {
    name: 'NotificationsFail',
    kind: 'anomaly',
    expr: 'sum by (integration) (rate(alertmanager_notifications_failed_total[10m])) > 0',
    for: '10m',
    severity: 'ticket',
    summary: 'Alertmanager cannot deliver by {{ $labels.integration }}: alerts are lost.',
    runbook: {
      meaning: 'Nobody would be told of the next failure.',
      look: [
        'The logs of Alertmanager: refused, wrong address, no way out?',
        'The Secret with the receivers, and the egress rule of its NetworkPolicy.',
      ],
      mend: ['Renew the address in the Secret; Alertmanager reads it again by itself.'],
    },
  },
  {
    name: 'RulesFail',
    kind: 'anomaly',
    expr: 'sum by (rule_group) (increase(prometheus_rule_evaluation_failures_total[10m])) > 0',
    for: '5m',
    severity: 'ticket',
    summary: 'Rules of {{ $labels.rule_group }} cannot be evaluated: their alerts never fire.',
    runbook: {
      meaning: 'A blind spot.',
      look: ['The page /rules of Prometheus shows the error beside the rule.'],
      mend: [
        'Correct the row in serving/contract/metrics.ts or infra/monitoring, `npm test -- test/infra/monitoring`, `modelmile up`.',
      ],
    },
  },
];

/** Graphs of the GPUs, beside those of the catalogue. */
export const platformPanels: readonly Panel[] = [
  {
    title: 'GPU use',
    kind: 'performance',
    unit: 'percentunit',
    queries: { '{{Hostname}} {{gpu}}': 'DCGM_FI_DEV_GPU_UTIL / 100' },
  },
  {
    title: 'GPU memory',
    kind: 'performance',
    unit: 'percentunit',
    queries: { '{{Hostname}} {{gpu}}': 'DCGM_FI_DEV_FB_USED / (DCGM_FI_DEV_FB_USED + DCGM_FI_DEV_FB_FREE)' },
  },
  {
    title: 'Pods that answer',
    kind: 'anomaly',
    unit: 'short',
    queries: { up: 'sum(up{job="modelmile-serving"})' },
  },
];
