import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { classifier, scaledSum, several } from '../support/models.ts';
import { startServer, type TestServer } from '../support/server.ts';

/** The clients of test/serving/clients/install.sh; where they are not installed these tests count as skipped. */
const root = fileURLToPath(new URL('../../../', import.meta.url));
const folder = process.env['MODELMILE_CLIENTS'] ?? join(root, '.modelmile', 'clients');
const python = join(folder, 'bin', 'python');
const withClients = existsSync(python) ? it : it.skip;

let server: TestServer | undefined;
beforeAll(async () => {
  if (!existsSync(python)) return;
  const labelled = { name: 'classifier', versionLabels: { stable: 1 } };
  server = await startServer(
    { classifier: { 1: classifier }, several: { 1: several }, sum: { 1: scaledSum(1), 2: scaledSum(2) } },
    { models: [labelled, { name: 'several' }, { name: 'sum' }], modelControl: true },
  );
}, 120_000);
afterAll(() => server?.stop());

/** Runs one of the scripts in test/serving/clients against the server. */
async function run(script: string): Promise<Record<string, unknown>> {
  const { rest, grpc } = server as TestServer;
  const args = [join(root, 'test', 'serving', 'clients', script), rest, grpc];
  const { stdout } = await promisify(execFile)(python, args, { timeout: 180_000, maxBuffer: 1 << 24 });
  return JSON.parse(stdout.trim().split('\n').at(-1) as string) as Record<string, unknown>;
}

/** float32 scores of the two rows that every script sends, worked out here in double precision. */
function expectedScores(): number[] {
  const rows = [
    [0.1, 0.2, 0.3, 0.4],
    [1, -2, 3.5, -4.25],
  ].map((row) => row.map(Math.fround));
  return rows.flatMap((row) => {
    const logits = [0, 1, 2].map((column) =>
      row.reduce((sum, value, index) => sum + value * Math.fround(Math.sin(index * 3 + column + 1)), 0),
    );
    const powers = logits.map((logit) => Math.exp(logit - Math.max(...logits)));
    const total = powers.reduce((sum, power) => sum + power, 0);
    return powers.map((power) => power / total);
  });
}

const scores = (hex: unknown) => {
  const bytes = Buffer.from(hex as string, 'hex');
  return Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readFloatLE(index * 4));
};

describe('the official clients, unchanged', () => {
  const seen = new Set<unknown>();
  const sameBits = (results: Record<string, unknown>, keys: readonly string[]) => {
    for (const key of keys) {
      scores(results[key]).forEach((score, index) => {
        expect(score).toBeCloseTo(expectedScores()[index] as number, 6);
      });
      seen.add(results[key]);
    }
  };

  withClients(
    "TensorFlow Serving's over gRPC, and its REST API as its documentation shows it",
    async () => {
      const results = await run('tensorflow_clients.py');
      const grpc = ['predict content', 'float_val', 'predict values', 'predict label', 'classify'];
      sameBits(results, [...grpc, 'rest row', 'rest column', 'rest label', 'rest classify']);
      expect(results).toMatchObject({
        version: 1,
        labels: ['red', 'green', 'blue'],
        regress: [6, 14],
        'rest regress': [6, 14],
        multi: [22, 22],
        metadata: { method: 'tensorflow/serving/predict', dtype: 1, shape: [-1, 4], outputs: ['scores'] },
        status: [1, 30, 0],
        codes: {
          fine: 'OK',
          'unknown model': 'NOT_FOUND',
          'no model': 'INVALID_ARGUMENT',
          'unknown version': 'NOT_FOUND',
          'unknown signature': 'INVALID_ARGUMENT',
          'wrong shape': 'INVALID_ARGUMENT',
          'wrong type': 'INVALID_ARGUMENT',
          'reload of nothing': 'INVALID_ARGUMENT',
        },
        'reload elsewhere': 'INVALID_ARGUMENT',
        reload: [0, [1, 2], 'NOT_FOUND'],
        'reload back': [[2], 'OK'],
      });
      expect(results['prediction id']).toMatch(/^[0-9a-f-]{36}$/);
    },
    240_000,
  );

  withClients(
    "Triton's over HTTP, binary by default, and gRPC",
    async () => {
      const results = await run('triton_clients.py');
      const http = ['infer', 'version', 'json in', 'json out', 'json', 'gzip'].map((key) => `http ${key}`);
      sameBits(results, [...http, 'grpc infer', 'grpc version']);
      const [first, failed, third] = results['grpc stream'] as unknown[];
      expect([first, failed, third]).toEqual([results['grpc infer'], 'error', results['grpc infer']]);
      const ready = ['classifier', 'several', 'sum'].map((name) => [name, 'READY']);
      for (const kind of ['http', 'grpc']) {
        const codes =
          kind === 'http'
            ? ['404', '400', '400', '400']
            : ['NOT_FOUND', ...Array(3).fill('INVALID_ARGUMENT')].map((code) => `StatusCode.${code}`);
        expect([kind, results]).toMatchObject([
          kind,
          {
            [`${kind} health`]: [true, true, true, true],
            [`${kind} id`]: 'seven',
            [`${kind} metadata`]: ['classifier', ['1'], 'FP32', [-1, 4]],
            [`${kind} several`]: [
              [
                [1.5, 3],
                [5, 7],
              ],
              ['é', 'b'],
            ],
            [`${kind} codes`]: {
              'unknown model': codes[0],
              'wrong shape': codes[1],
              'wrong type': codes[2],
              'unknown input': codes[3],
            },
            [`${kind} index`]: ready,
            [`${kind} unloaded`]: false,
            [`${kind} loaded`]: true,
          },
        ]);
        const classes = results[`${kind} classes`] as string[][];
        expect(classes.map((row) => row.length)).toEqual([2, 2]);
        expect(classes[1]?.[0]).toMatch(/^0\.970\d+:1:green$/);
        const [name, rows, runs] = results[`${kind} statistics`] as [string, number, number];
        expect(name).toBe('classifier');
        expect(rows).toBeGreaterThan(runs);
      }
    },
    240_000,
  );

  withClients(
    "KServe's over REST and gRPC",
    async () => {
      const results = await run('kserve_clients.py');
      sameBits(results, ['rest binary', 'rest json', 'rest v1', 'grpc raw', 'grpc typed']);
      expect(results).toMatchObject({
        'rest binary id': 'seven',
        'rest json id': 'seven',
        'rest health': [true, true, true],
        'grpc health': [true, true, true],
      });
    },
    240_000,
  );

  withClients('all got the same bits', () => {
    expect(seen.size).toBe(1);
  });
});
