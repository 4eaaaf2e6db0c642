import { type Alert, metrics } from '../../serving/contract/index.ts';
import { InfraError } from '../errors.ts';

/** What the service promises, over 30 days. */
export interface Objectives {
  /** Share of requests that are not answered with 5xx. @default 0.999 */
  readonly availability: number;
  /** Share of requests answered within `latencySeconds`. @default 0.99 */
  readonly latency: number;
  /** A bucket of modelmile_request_duration_seconds. @default 0.25 */
  readonly latencySeconds: number;
}

export const defaultObjectives: Objectives = { availability: 0.999, latency: 0.99, latencySeconds: 0.25 };

/** A recorded series. */
export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
}

/** One promise as a rate of failing requests per window. */
interface Indicator {
  readonly name: 'availability' | 'latency';
  readonly allowed: number;
  readonly ratio: (window: string) => string;
  readonly meaning: string;
}

/**
 * Multi-window, multi-burn-rate: a page when 2 % of the month's allowance goes within an hour, or 5 % within six; a ticket for 10 %
 * within a day or three. The short window ends the alert soon after the trouble ends.
 * Source: Google, The Site Reliability Workbook, chapter 5, table 5-8.
 */
const burns = [
  { severity: 'page', factor: 14.4, long: '1h', short: '5m' },
  { severity: 'page', factor: 6, long: '6h', short: '30m' },
  { severity: 'ticket', factor: 3, long: '1d', short: '2h' },
  { severity: 'ticket', factor: 1, long: '3d', short: '6h' },
] as const;
const windows = [...new Set(burns.flatMap(({ long, short }) => [short, long]))];

/** @throws InfraError SETTING_INVALID where a promise cannot be measured */
function indicators(objectives: Objectives): Indicator[] {
  const { availability, latency, latencySeconds } = objectives;
  for (const [key, value] of Object.entries({ availability, latency })) {
    if (!(value > 0 && value < 1)) {
      throw new InfraError(
        'SETTING_INVALID',
        `slo.${key}: ${value} is no share between 0 and 1, such as 0.999.`,
      );
    }
  }
  const { buckets } = metrics.modelmile_request_duration_seconds;
  if (!buckets.includes(latencySeconds)) {
    throw new InfraError(
      'SETTING_INVALID',
      `slo.latencySeconds: ${latencySeconds} is not measured; the buckets are ${buckets.join(', ')}.`,
    );
  }
  return [
    {
      name: 'availability',
      allowed: 1 - availability,
      ratio: (window) =>
        `sum by (model) (rate(modelmile_requests_total{code=~"5.."}[${window}])) / sum by (model) (rate(modelmile_requests_total[${window}]))`,
      meaning: 'requests are answered with 5xx',
    },
    {
      name: 'latency',
      allowed: 1 - latency,
      ratio: (window) =>
        `1 - sum by (model) (rate(modelmile_request_duration_seconds_bucket{le="${latencySeconds}"}[${window}])) / sum by (model) (rate(modelmile_request_duration_seconds_count[${window}]))`,
      meaning: `requests take longer than ${latencySeconds} s`,
    },
  ];
}

const recordName = (name: string, window: string) => `modelmile:${name}_failures:ratio_rate${window}`;

export function sloRecordings(objectives: Objectives): RecordingRule[] {
  return indicators(objectives).flatMap(({ name, ratio }) =>
    windows.map((window) => ({ record: recordName(name, window), expr: ratio(window) })),
  );
}

const look: readonly string[] = [
  'The dashboard: which model, which version, since when? A deployment, a change of load, or neither?',
  'The logs of the pods (`kubectl logs deploy/modelmile-serving`), by request id.',
  'GPU and CPU of the pods: are they at their limit, throttled, or out of memory?',
];

/** Page and ticket of each promise. */
export function sloAlerts(objectives: Objectives): Alert[] {
  return indicators(objectives).flatMap(({ name, allowed, meaning }) =>
    (['page', 'ticket'] as const).map((severity): Alert => {
      const over = (window: string, factor: number) =>
        `${recordName(name, window)} > ${Number((factor * allowed).toPrecision(6))}`;
      const fast = severity === 'page';
      return {
        name: `${name === 'availability' ? 'Availability' : 'Latency'}Budget${fast ? 'BurnsFast' : 'Burns'}`,
        kind: name === 'latency' ? 'performance' : 'anomaly',
        expr: burns
          .filter((burn) => burn.severity === severity)
          .map(({ long, short, factor }) => `(${over(long, factor)} and ${over(short, factor)})`)
          .join(' or '),
        for: fast ? '2m' : '15m',
        severity,
        summary: `{{ $labels.model }}: too many ${meaning} for the promise of the month.`,
        runbook: {
          meaning: `So many ${meaning} that the allowance of the month is used up ${fast ? 'within days' : 'before its end'}.`,
          look,
          mend: [
            'Roll back with `modelmile rollback` where it began with a new version; a canary is taken out by itself.',
            'Raise `maxReplicas` or the node pool where it is load.',
            'Change the objective (`slo` in the stack file) only where the promise was wrong, never to silence it.',
          ],
        },
      };
    }),
  );
}
