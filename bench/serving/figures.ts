import { fileURLToPath } from 'node:url';
import type { Beside } from './latency.ts';
import type { ModelName } from './models.ts';
import type { ServerName } from './servers.ts';

export type Form = 'json' | 'binary';

/** One server under one load. */
export interface Row {
  readonly server: ServerName;
  readonly model: ModelName;
  readonly form: Form;
  readonly workers: number;
  readonly connections: number;
  /** Answers for each CPU second of the server's whole process tree. */
  readonly requestsPerCpuSecond: number;
  readonly requestsPerSecond: number;
  readonly failed: number;
}

export interface Figures {
  readonly command: string;
  readonly commit: string;
  readonly machine: string;
  /** Of the last minute when the run ended: how much else the machine did. */
  readonly loadAverage: number;
  /** So often each load is given: for half of `seconds` with every connection busy, of which the best counts, and for all of them at 30 %. */
  readonly times: { readonly full: number; readonly calm: number };
  readonly seconds: number;
  /** onnxruntime-node alone, at its best batch; and what two such processes at once keep of that. */
  readonly raw: Readonly<
    Record<ModelName, { readonly batch: number; readonly rowsPerCpuSecond: number; readonly twoKeep: number }>
  >;
  /** How many times as fast as JSON.parse the scanner reads numbers of so many digits. */
  readonly scanner: Readonly<Record<4 | 17, number>>;
  /** Servers that were not installed. */
  readonly missing: readonly string[];
  readonly rows: readonly Row[];
  /** At 30 % of each server's own capacity. */
  readonly latencies: readonly Beside[];
}

export const figuresFile = fileURLToPath(new URL('../../docs/reports/serving-bench.json', import.meta.url));

/** A target of the project, with what was seen. */
export interface Target {
  readonly what: string;
  readonly wanted: number;
  readonly seen: number;
}

const labels: Readonly<Record<ModelName, string>> = { mlp: '784-128-10', wide: '784-2048-2048-10' };

/** Requests a CPU second of one line of the table; NaN where there is none. */
const rateIn =
  (rows: readonly Row[]) =>
  (server: ServerName, model: ModelName, form: Form, workers = 1, connections = 32): number =>
    rows.find(
      (row) =>
        row.server === server &&
        row.model === model &&
        row.form === form &&
        row.workers === workers &&
        row.connections === connections,
    )?.requestsPerCpuSecond ?? Number.NaN;

/** What two processes of the floor keep of the figure of one, over so many connections. */
export function floorKeeps({ rows }: Figures, connections: number): number {
  const rate = rateIn(rows);
  return rate('floor', 'mlp', 'json', 2, connections) / rate('floor', 'mlp', 'json');
}

/** What the run says about the project's own targets; a server that was not there has no line. */
export function targets(figures: Figures): Target[] {
  const rate = rateIn(figures.rows);
  const ours = rate('modelmile', 'mlp', 'json');
  // What a server of the floor's cost and the runtime's cost together could reach.
  const ideal = 1 / (1 / rate('floor', 'wide', 'json') + 1 / figures.raw.wide.rowsPerCpuSecond);
  const peers = figures.latencies.filter(({ other }) => other.server !== 'floor');
  return [
    { what: 'JSON, share of the floor', wanted: 0.62, seen: ours / rate('floor', 'mlp', 'json') },
    {
      what: 'binary tensors, share of the floor',
      wanted: 0.75,
      seen: rate('modelmile', 'mlp', 'binary') / rate('floor', 'mlp', 'binary'),
    },
    { what: 'JSON, times FastAPI + orjson', wanted: 5, seen: ours / rate('fastapi', 'mlp', 'json') },
    { what: 'JSON, times PyTriton', wanted: 11, seen: ours / rate('pytriton', 'mlp', 'json') },
    { what: 'JSON, times MLServer', wanted: 11, seen: ours / rate('mlserver', 'mlp', 'json') },
    {
      what: '784-2048-2048-10, share of what floor and runtime together allow',
      wanted: 0.85,
      seen: rate('modelmile', 'wide', 'json') / ideal,
    },
    // Over as many in all, and over as many each: with fewer for each, fewer rows share a batch.
    ...(
      [
        [32, 32],
        [32, 16],
        [64, 32],
      ] as const
    ).flatMap(([two, one]) =>
      (['mlp', 'wide'] as const).map((model) => ({
        what: `${labels[model]}, two workers over ${two} connections, share of one over ${one}`,
        wanted: 0.9,
        seen: rate('modelmile', model, 'json', 2, two) / rate('modelmile', model, 'json', 1, one),
      })),
    ),
    { what: 'JSON scanner, 4-digit numbers, times JSON.parse', wanted: 2, seen: figures.scanner[4] },
    { what: 'JSON scanner, 17-digit numbers, times JSON.parse', wanted: 1.5, seen: figures.scanner[17] },
    ...peers.map((beside) => ({
      what: `p99 at 30 % load: ${beside.other.server}'s, as a multiple of modelmile's in turns with it`,
      wanted: 1,
      seen: beside.other.p99Ms / beside.ours.p99Ms,
    })),
  ].filter(({ seen }) => Number.isFinite(seen));
}
