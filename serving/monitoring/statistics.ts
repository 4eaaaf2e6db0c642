import type { MetricObjectWithValues } from 'prom-client';
import type { MetricName } from '../contract/index.ts';
import type { DurationTotal, VersionStatistics } from '../dataplane.ts';

interface Sample {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly metricName?: string;
}

/** What each version has done, from the counters and histograms of all workers. */
export function statisticsOf(snapshot: readonly MetricObjectWithValues<never>[]): VersionStatistics[] {
  const samples = (name: MetricName, suffix = ''): readonly Sample[] => {
    const metric = (snapshot as unknown as { name: string; values: Sample[] }[]).find(
      (each) => each.name === name,
    );
    return (metric?.values ?? []).filter(
      ({ metricName }) => suffix === '' || metricName === `${name}${suffix}`,
    );
  };
  const rows = samples('modelmile_batch_rows_total');
  return rows.map(({ labels: { model = '', version = 0 } }) => {
    const mine = ({ labels }: Sample) =>
      labels['model'] === model && String(labels['version']) === String(version);
    const sum = (of: readonly Sample[]) => of.filter(mine).reduce((total, { value }) => total + value, 0);
    const phase = (name: string): DurationTotal => {
      const inPhase = ({ labels }: Sample) => labels['phase'] === name;
      return {
        count: sum(samples('modelmile_phase_duration_seconds', '_count').filter(inPhase)),
        seconds: sum(samples('modelmile_phase_duration_seconds', '_sum').filter(inPhase)),
      };
    };
    const requests = samples('modelmile_requests_total');
    const isModelCall = ({ labels }: Sample) => inferenceMethods.includes(String(labels['method']));
    const failed = requests.filter((sample) => isModelCall(sample) && Number(sample.labels['code']) >= 400);
    const answered = requests.filter((sample) => isModelCall(sample) && Number(sample.labels['code']) < 400);
    const seconds = sum(samples('modelmile_request_duration_seconds', '_sum').filter(isModelCall));
    return {
      model: String(model),
      version: Number(version),
      rows: sum(rows),
      runs: sum(samples('modelmile_batches_total')),
      success: { count: sum(answered), seconds },
      fail: { count: sum(failed), seconds: 0 },
      queue: phase('queue'),
      infer: phase('infer'),
    };
  });
}

/** Methods that run the model. */
const inferenceMethods: readonly string[] = ['predict', 'classify', 'regress', 'multi_inference', 'infer'];
