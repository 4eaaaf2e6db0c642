import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { request as send } from 'undici';
import { readLabelledSet } from '../conversion/index.ts';
import { predictionIdHeader, readServerState, streamFeedback } from '../serving/contract/index.ts';
import { cached, findOnPath } from '../toolchain/pulumi-cli.mjs';
import { Checkout } from './support/checkout.ts';
import { Load, until } from './support/load.ts';

const suite = (
  (cached() ?? (await findOnPath())) === undefined ? describe.skip : describe
) as typeof describe;

/** A connection of its own: what a killed process leaves of a kept one says nothing about the next process. */
const request = (url: string, options: { method: 'POST'; body: string }) =>
  send(url, { ...options, reset: true });

/** training -> conversion -> environment -> service -> monitoring -> user feedback -> training, as one test. */
suite('the circle', () => {
  let checkout: Checkout;
  beforeAll(async () => {
    checkout = await Checkout.create();
  }, 60_000);
  afterAll(() => checkout?.remove(), 120_000);

  it('predicts, takes 50 corrections, retrains, previews, goes up under load and predicts again', async () => {
    expect((await checkout.modelmile('up')).code).toBe(0);
    const heldout = await readLabelledSet(checkout.path('samples', 'digits', 'heldout.npz'));
    const train = await readLabelledSet(checkout.path('samples', 'digits', 'train.npz'));
    const url = `${checkout.endpoint}/v1/models/model`;
    const rowOf = (set: typeof heldout, row: number) =>
      Array.from(set.inputs.subarray(row * 784, (row + 1) * 784));
    const predict = async (pixels: number[]) => {
      const { statusCode, headers, body } = await request(`${url}:predict`, {
        method: 'POST',
        body: JSON.stringify({ instances: [pixels] }),
      });
      const { predictions } = (await body.json()) as { predictions: number[][] };
      expect(statusCode).toBe(200);
      return { shares: predictions[0]!, predictionId: String(headers[predictionIdHeader]) };
    };

    // Feedback to drawings that are not of the held-out set, which decides between the models.
    const acknowledged: string[] = [];
    for (let row = 0; row < 50; row++) {
      const { predictionId } = await predict(rowOf(train, row));
      const { statusCode, body } = await request(`${url}:feedback`, {
        method: 'POST',
        body: JSON.stringify({ predictionId, label: train.labels[row] }),
      });
      expect(statusCode).toBe(200);
      acknowledged.push(((await body.json()) as { feedbackId: string }).feedbackId);
      // Neither a worker's nor the supervisor's sudden end loses what was acknowledged.
      if (row === 20) process.kill((await readServerState(checkout.stateDir))!.workers[0]!.pid, 'SIGKILL');
      if (row === 40) {
        process.kill((await readServerState(checkout.stateDir))!.pid, 'SIGKILL');
        await until(
          async () => (await readServerState(checkout.stateDir)) === undefined,
          'the supervisor is gone',
        );
        expect((await checkout.modelmile('up', 'dev')).code).toBe(0);
      }
    }
    const kept: string[] = [];
    for await (const record of streamFeedback(checkout.stateDir, 'model')) kept.push(record.feedbackId);
    expect(kept.sort()).toEqual(acknowledged.sort());

    const exported = await checkout.modelmile(
      'feedback',
      'export',
      'model',
      '--out',
      checkout.path('feedback.jsonl'),
      '--json',
    );
    expect(JSON.parse(exported.stdout)).toMatchObject({ records: 50 });
    const line = JSON.parse(readFileSync(checkout.path('feedback.jsonl'), 'utf8').split('\n')[0]!) as {
      inputs: { data: number[] }[];
      label: number;
    };
    expect(line.inputs[0]!.data).toHaveLength(784);

    const retrained = await checkout.modelmile(
      'retrain',
      'model',
      '--feedback',
      checkout.path('feedback.jsonl'),
      '--json',
    );
    expect(`${retrained.code} ${retrained.stderr}`).toMatch(/^0 /);
    const result = JSON.parse(retrained.stdout) as {
      promoted: boolean;
      champion: { accuracy: number };
      challenger: { accuracy: number; digest: string };
    };
    expect(result.promoted).toBe(result.challenger.accuracy >= result.champion.accuracy);
    expect(result.promoted).toBe(true);
    expect(existsSync(checkout.path('.modelmile', 'models', 'model', 'champion.json'))).toBe(true);

    const preview = await checkout.modelmile('preview');
    expect(preview.stdout).toMatch(/version\s+: 1 => 2/);
    expect(preview.stdout).toMatch(/accuracy\s+: 0\.\d+ => 0\.\d+/);
    expect(preview.stdout).toContain(result.challenger.digest);

    const body = JSON.stringify({ instances: [rowOf(heldout, 0)] });
    const load = new Load(
      `${url}:predict`,
      body,
      4,
      (answer) => (answer as { predictions: number[][] }).predictions[0]!.length === 10,
    );
    expect((await checkout.modelmile('up')).code).toBe(0);
    const { failures, answered } = await load.stop();
    expect(failures).toEqual([]);
    expect(answered).toBeGreaterThan(20);

    const state = await readServerState(checkout.stateDir);
    expect(state!.models[0]!.versions[0]).toMatchObject({ version: 2, digest: result.challenger.digest });
    const { shares } = await predict(rowOf(heldout, 0));
    expect(shares.indexOf(Math.max(...shares))).toBe(heldout.labels[0]);
  }, 400_000);
});
