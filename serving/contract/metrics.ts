import type { Metric } from './monitoring.ts';

/** Buckets in seconds for everything that lasts about as long as a request. */
const requestBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Every metric of the service on port 9090. Keys end in their unit. A test holds rows = emissions. */
export const metrics = {
  modelmile_requests_total: {
    type: 'counter',
    labels: ['model', 'version', 'method', 'code'],
    help: 'Requests by model, version, method (predict, classify, ...) and HTTP status.',
    panel: {
      title: 'Requests by status',
      kind: 'performance',
      unit: 'reqps',
      queries: { '{{model}} {{code}}': 'sum by (model, code) (rate(modelmile_requests_total[5m]))' },
    },
    alerts: [
      {
        name: 'RequestsRefusedForLackOfCapacity',
        kind: 'performance',
        expr: 'sum by (model) (rate(modelmile_requests_total{code=~"429|503"}[5m])) / sum by (model) (rate(modelmile_requests_total[5m])) > 0.05',
        for: '5m',
        severity: 'page',
        summary: 'More than 5 % of the requests to {{ $labels.model }} are turned away with 429 or 503.',
        runbook: {
          meaning: 'Callers get Retry-After instead of answers: the queue is full, or no worker is ready.',
          look: [
            'The dashboard row "performance": is the rate of requests above what sizing planned for?',
            '`kubectl get hpa,scaledobject,pods`: has scaling reached its maximum, are pods Pending for lack of a node?',
            'The logs of the pods for a model that fails to load.',
          ],
          mend: [
            'Raise `maxReplicas` (or the limit of the GPU node pool) and run `modelmile up`.',
            'Roll back with `modelmile rollback` where it started with a new version.',
            'Measure the model again (`modelmile profile`) where the load is what was planned: the plan was wrong.',
          ],
        },
      },
      {
        name: 'RequestsMalformed',
        kind: 'anomaly',
        expr: 'sum by (model) (rate(modelmile_requests_total{code=~"400|413|422"}[15m])) / sum by (model) (rate(modelmile_requests_total[15m])) > 0.2',
        for: '15m',
        severity: 'ticket',
        summary: 'More than 20 % of the requests to {{ $labels.model }} do not fit its signature.',
        runbook: {
          meaning:
            "A caller sends what the model does not take: its program changed, or the model's signature did.",
          look: [
            'The message of the 400 in the access log: it names the input, what was expected and what came.',
            'Whether it started with a new version: compare the signatures with `modelmile inspect`.',
          ],
          mend: [
            'Roll back with `modelmile rollback` where the signature changed by mistake.',
            'Send the caller the working example that the 400 carries.',
          ],
        },
      },
      {
        name: 'TrafficStopped',
        kind: 'anomaly',
        expr: 'sum by (model) (rate(modelmile_requests_total[10m])) == 0 and sum by (model) (rate(modelmile_requests_total[1h] offset 1h)) > 0.1',
        for: '10m',
        severity: 'ticket',
        summary: '{{ $labels.model }} gets no requests any more; an hour ago it did.',
        runbook: {
          meaning: 'Callers cannot reach the service, or have gone away.',
          look: [
            'A request from outside the cluster, with the curl line that `modelmile up` printed.',
            '`kubectl get endpointslices,gateway,httproute,service`: is anything behind the address?',
            'NetworkPolicies and certificates that changed in the last hour (`pulumi stack history`).',
          ],
          mend: [
            'Undo the last `up` that touched the way in (`git revert`, `modelmile up`).',
            'Ask the callers; silence where traffic ended on purpose.',
          ],
        },
      },
      {
        name: 'AccessDenied',
        kind: 'security',
        expr: 'sum by (code) (rate(modelmile_requests_total{code=~"401|403"}[5m])) > 1',
        for: '10m',
        severity: 'ticket',
        summary: 'More than one request a second is refused with {{ $labels.code }}.',
        runbook: {
          meaning: 'Someone tries keys, or a caller uses one that was revoked or does not reach this model.',
          look: [
            'The audit log: the id of the key (never the key), the address, the model.',
            'Whether a key was rotated today.',
          ],
          mend: [
            'Give the caller its new key.',
            'Block the address at the load balancer where it is an attack; keys are long and random, guessing does not work.',
          ],
        },
      },
    ],
  },
  modelmile_request_duration_seconds: {
    type: 'histogram',
    labels: ['model', 'version', 'method'],
    help: 'From the first byte of a request parsed to the last byte of its answer handed over.',
    buckets: requestBuckets,
    panel: {
      title: 'Response time',
      kind: 'performance',
      unit: 's',
      queries: {
        '{{model}} p50':
          'histogram_quantile(0.5, sum by (model, le) (rate(modelmile_request_duration_seconds_bucket[5m])))',
        '{{model}} p95':
          'histogram_quantile(0.95, sum by (model, le) (rate(modelmile_request_duration_seconds_bucket[5m])))',
        '{{model}} p99':
          'histogram_quantile(0.99, sum by (model, le) (rate(modelmile_request_duration_seconds_bucket[5m])))',
      },
    },
  },
  modelmile_phase_duration_seconds: {
    type: 'histogram',
    labels: ['model', 'version', 'phase'],
    help: 'What requests spend their time on: parse, queue, batch (put together, taken apart), infer, serialize.',
    buckets: requestBuckets,
    panel: {
      title: 'Where the time goes',
      kind: 'performance',
      unit: 's',
      queries: {
        '{{model}} {{phase}}':
          'sum by (model, phase) (rate(modelmile_phase_duration_seconds_sum[5m])) / sum by (model, phase) (rate(modelmile_phase_duration_seconds_count[5m]))',
      },
    },
  },
  modelmile_batches_total: {
    type: 'counter',
    labels: ['model', 'version'],
    help: 'Runs of the model; several requests share one where they come together.',
  },
  modelmile_batch_rows_total: {
    type: 'counter',
    labels: ['model', 'version'],
    help: 'Rows that the runs of the model had; divided by the batches it is the mean batch size.',
    panel: {
      title: 'Mean batch size',
      kind: 'performance',
      unit: 'short',
      queries: {
        '{{model}}':
          'sum by (model) (rate(modelmile_batch_rows_total[5m])) / sum by (model) (rate(modelmile_batches_total[5m]))',
      },
    },
  },
  modelmile_feedback_total: {
    type: 'counter',
    labels: ['model', 'kind'],
    help: 'Feedback that was acknowledged, by kind: label, rating, correction.',
    panel: {
      title: 'Feedback',
      kind: 'performance',
      unit: 'reqps',
      queries: { '{{model}} {{kind}}': 'sum by (model, kind) (rate(modelmile_feedback_total[5m]))' },
    },
  },
  modelmile_predictions_unrecorded_total: {
    type: 'counter',
    labels: ['model'],
    help: 'Predictions beyond recordPerSecond or 16 MiB a second: answered, but feedback to them is not known.',
    alerts: [
      {
        name: 'FeedbackLost',
        kind: 'anomaly',
        expr: 'sum by (model) (rate(modelmile_predictions_unrecorded_total[15m])) > 0',
        for: '15m',
        severity: 'ticket',
        summary: 'Predictions of {{ $labels.model }} are not recorded: feedback to them is refused.',
        runbook: {
          meaning:
            'Users who say what was wrong get 404; retraining sees a sample that leaves out the busiest times.',
          look: [
            'The rate of requests against `recordPerSecond` times the workers.',
            'Whether the database is slow: the time of its writes in the logs of the pods.',
          ],
          mend: [
            'Raise `recordPerSecond`, where the database can take it.',
            'Add replicas: each records its own share.',
          ],
        },
      },
    ],
  },
  modelmile_version_workers: {
    type: 'gauge',
    labels: ['model', 'version', 'provider'],
    help: 'Workers that serve a version, by the execution provider that runs it.',
  },
  modelmile_model_load_failures_total: {
    type: 'counter',
    labels: ['model'],
    help: 'Versions that were to be served and could not be loaded; what served before served on.',
    alerts: [
      {
        name: 'ModelNotLoaded',
        kind: 'anomaly',
        expr: 'sum by (model) (increase(modelmile_model_load_failures_total[15m])) > 0',
        for: '0m',
        severity: 'ticket',
        summary: 'A version of {{ $labels.model }} could not be loaded; the one before serves on.',
        runbook: {
          meaning: 'Callers notice nothing: they get answers of the version before.',
          look: [
            'GET /v1/models/<model>: the version is there with state END and says why.',
            'Whether the files are what the manifest says (digest), and who signed it where trustedKeys is set.',
          ],
          mend: [
            'Convert or upload the version again; a version folder is never changed, a new one gets a new number.',
            'Roll back with `modelmile rollback` where the new version was a mistake.',
          ],
        },
      },
    ],
  },
  modelmile_async_requests_total: {
    type: 'counter',
    labels: ['model', 'result'],
    help: 'Asynchronous requests: submitted, refused (too many wait), answered, cancelled, expired.',
    panel: {
      title: 'Asynchronous requests',
      kind: 'performance',
      unit: 'reqps',
      queries: {
        '{{model}} {{result}}': 'sum by (model, result) (rate(modelmile_async_requests_total[5m]))',
      },
    },
  },
  modelmile_cache_lookups_total: {
    type: 'counter',
    labels: ['model', 'version', 'result'],
    help: 'Requests that were looked for in the cache of answers: hit, miss.',
    panel: {
      title: 'Answers from the cache',
      kind: 'performance',
      unit: 'percentunit',
      queries: {
        '{{model}}':
          'sum by (model) (rate(modelmile_cache_lookups_total{result="hit"}[5m])) / sum by (model) (rate(modelmile_cache_lookups_total[5m]))',
      },
    },
  },
  modelmile_cache_failures_total: {
    type: 'counter',
    labels: [],
    help: 'Times that the cache was away or late; the answers were worked out.',
  },
  modelmile_canary_answers_total: {
    type: 'counter',
    labels: ['model', 'version', 'result'],
    help: 'What came of the requests that a canary got: same, different (compared with stable), answered, failing, late; and crashed: its process ended.',
    panel: {
      title: 'Canary against stable',
      kind: 'anomaly',
      unit: 'reqps',
      queries: {
        '{{model}} {{version}} {{result}}':
          'sum by (model, version, result) (rate(modelmile_canary_answers_total[5m]))',
      },
    },
  },
  modelmile_canary_removed_total: {
    type: 'counter',
    labels: ['model', 'version', 'reason'],
    help: 'Canaries that were taken out by themselves: wrong, slow, failing, crashing.',
    alerts: [
      {
        name: 'CanaryRemoved',
        kind: 'anomaly',
        expr: 'sum by (model, version, reason) (increase(modelmile_canary_removed_total[1h])) > 0',
        for: '0m',
        severity: 'ticket',
        summary:
          'Version {{ $labels.version }} of {{ $labels.model }} was taken out: it is {{ $labels.reason }}.',
        runbook: {
          meaning: 'Callers notice nothing: the version with the label stable answers all requests.',
          look: [
            'GET /v1/models/<model>: the version is there with state END and the figures that it was judged by.',
            'The panel "Canary against stable": did it start at once, or with some requests only?',
          ],
          mend: [
            'Give the label canary to a better version, or take the canary out of the settings.',
            'Where the difference is wanted, give the version the label stable, or raise `canary.tolerance`.',
          ],
        },
      },
    ],
  },
  modelmile_reloads_total: {
    type: 'counter',
    labels: ['result'],
    help: 'Changes of settings or versions: served, or refused with the old ones serving on.',
  },
  modelmile_worker_crashes_total: {
    type: 'counter',
    labels: [],
    help: 'Workers that ended unasked; another took the place of each.',
    alerts: [
      {
        name: 'WorkersCrash',
        kind: 'anomaly',
        expr: 'sum by (pod) (increase(modelmile_worker_crashes_total[10m])) > 2',
        for: '0m',
        severity: 'page',
        summary: 'Workers of {{ $labels.pod }} keep ending: requests in flight are lost each time.',
        runbook: {
          meaning: 'A few callers get no answer each time: their connection is closed.',
          look: [
            'The log of the pod around "a worker ended": out of memory (OOMKilled), or a crash within the runtime.',
            'Lines with `worker-killed`: nothing was heard from a worker for twice requestTimeoutMs, a minute at least; a run that long never ends, or not in time.',
            'Whether it started with a new version, or with one kind of request.',
          ],
          mend: [
            'Roll back with `modelmile rollback` where it started with a new version.',
            'Raise the memory limit where the kernel ended them; lower maxBodyBytes or maxBatchSize.',
          ],
        },
      },
    ],
  },
  modelmile_connections_refused_total: {
    type: 'counter',
    labels: ['process'],
    help: 'Connections that were closed at once for lack of room, by process: supervisor, worker.',
    alerts: [
      {
        name: 'ConnectionsRefused',
        kind: 'security',
        expr: 'sum by (pod) (rate(modelmile_connections_refused_total[5m])) > 0.1',
        for: '5m',
        severity: 'ticket',
        summary: '{{ $labels.pod }} closes connections at once: it has as many as it can hold.',
        runbook: {
          meaning:
            'Some clients cannot connect; who is connected is answered. One address alone leaves others a fifth.',
          look: [
            '`ss -tn state established` in the pod, by address: one client that opens connections and does not use them again, or many?',
            'The limit of open files of the process, `ulimit -n`: a worker has 16,384 connections, or as many as that leaves.',
          ],
          mend: [
            'Mend the client: connections are kept open and used again.',
            'Block the address at the load balancer where it is an attack.',
            'Raise the limit of open files where it is below 17,000, or the number of replicas.',
          ],
        },
      },
    ],
  },
  modelmile_process_cpu_seconds_total: {
    type: 'counter',
    labels: ['process'],
    help: 'Processor time, by process: supervisor, worker.',
    panel: {
      title: 'Processors in use',
      kind: 'performance',
      unit: 'short',
      queries: { '{{process}}': 'sum by (process) (rate(modelmile_process_cpu_seconds_total[5m]))' },
    },
  },
  modelmile_process_resident_bytes: {
    type: 'gauge',
    labels: ['process'],
    help: 'Resident memory, by process, over all of them.',
    panel: {
      title: 'Memory',
      kind: 'performance',
      unit: 'bytes',
      queries: { '{{process}}': 'sum by (process) (modelmile_process_resident_bytes)' },
    },
  },
} as const satisfies Record<string, Metric>;

export type MetricName = keyof typeof metrics;
