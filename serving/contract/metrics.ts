/** Buckets in seconds for everything that lasts about as long as a request. */
const requestBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** One row of the catalogue: what the service emits, and what monitoring draws and alerts on from it. */
export interface Metric {
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** Bounded label names: never a request's own text. */
  readonly labels: readonly string[];
  readonly help: string;
  /** Seconds, histograms only. */
  readonly buckets?: readonly number[];
}

/** Every metric of the service on port 9090. Keys end in their unit. A test holds rows = emissions. */
export const metrics = {
  modelmile_requests_total: {
    type: 'counter',
    labels: ['model', 'version', 'method', 'code'],
    help: 'Requests by model, version, method (predict, classify, ...) and HTTP status.',
  },
  modelmile_request_duration_seconds: {
    type: 'histogram',
    labels: ['model', 'version', 'method'],
    help: 'From the first byte of a request parsed to the last byte of its answer handed over.',
    buckets: requestBuckets,
  },
} as const satisfies Record<string, Metric>;

export type MetricName = keyof typeof metrics;
