import type { MetricName } from '../contract/index.ts';
import type { DurationTotal, VersionStatistics } from '../server-control.ts';
import { type MetricsSnapshot, samplesOf } from './registry.ts';

/** Methods that run the model; what they refuse is counted as `error`. */
const inferenceMethods: readonly string[] = ['predict', 'classify', 'regress', 'multi_inference', 'infer'];

type Labelled = ReturnType<typeof samplesOf>[number];

const countOf = ({ values }: Labelled): number => values.slice(0, -1).reduce((sum, n) => sum + n, 0);
const secondsOf = ({ values }: Labelled): number => values.at(-1) as number;
const total = (samples: readonly Labelled[], of: (sample: Labelled) => number): number =>
  samples.reduce((sum, sample) => sum + of(sample), 0);

/** What each version has done, from the counters and histograms of all workers. */
export function statisticsOf(snapshot: MetricsSnapshot): VersionStatistics[] {
  return samplesOf(snapshot, 'modelmile_batch_rows_total').map(({ labels: version, values }) => {
    const mine = (name: MetricName) =>
      samplesOf(snapshot, name).filter(
        ({ labels }) => labels['model'] === version['model'] && labels['version'] === version['version'],
      );
    const phase = (name: string): DurationTotal => {
      const samples = mine('modelmile_phase_duration_seconds').filter(
        ({ labels }) => labels['phase'] === name,
      );
      return { count: total(samples, countOf), seconds: total(samples, secondsOf) };
    };
    const requests = (methods: readonly string[], name: MetricName) =>
      mine(name).filter(({ labels }) => methods.includes(labels['method'] as string));
    const counted = (methods: readonly string[]) =>
      total(requests(methods, 'modelmile_requests_total'), (sample) => sample.values[0] as number);
    const seconds = (methods: readonly string[]) =>
      total(requests(methods, 'modelmile_request_duration_seconds'), secondsOf);
    return {
      model: version['model'] as string,
      version: Number(version['version']),
      rows: values[0] as number,
      runs: total(mine('modelmile_batches_total'), (sample) => sample.values[0] as number),
      success: { count: counted(inferenceMethods), seconds: seconds(inferenceMethods) },
      fail: { count: counted(['error']), seconds: seconds(['error']) },
      queue: phase('queue'),
      infer: phase('infer'),
    };
  });
}
