import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { PredictionRecord } from '../../../serving/contract/index.ts';
import { FeedbackStore } from '../../../serving/feedback/store.ts';
import { written } from '../../../serving/feedback/written-prediction.ts';
import type { Database } from '../../../serving/middleware/database/database.ts';
import { openEmbeddedDatabase } from '../../../serving/middleware/database/embedded.ts';

let folder: string;
let database: Database;
let store: FeedbackStore;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modelmile-store-'));
  database = await openEmbeddedDatabase(folder);
  store = await FeedbackStore.open(database);
}, 120_000);
afterAll(async () => {
  await database.close();
  await rm(folder, { recursive: true });
});

const idOf = (n: number) => `01a226ff-f51e-7b4d-9f45-${String(n).padStart(12, '0')}`;
const prediction = (n: number, data: PredictionRecord['outputs'][number]['data'] = [0.1, -0, 1e-40]) =>
  written({
    predictionId: idOf(n),
    model: 'm',
    version: 3,
    digest: 'd',
    atMs: 1_700_000_000_000 + n,
    rows: 1,
    outputs: [{ name: 'y', dtype: 'float32', shape: [1, data.length], data: [...data] }],
  });
const recordOf = async (n: number) =>
  (
    await database.query('SELECT record, model, at_ms FROM predictions WHERE prediction_id = $1', [idOf(n)])
  )[0];

it('keeps what was answered as it was, text that looks like JSON too', async () => {
  const data = ['"quoted"', '\\', '\u{1f600}', 'a\nb', "it's", '$1'];
  await store.addPredictions([prediction(1), prediction(2, data)]);
  expect(await recordOf(1)).toMatchObject({
    model: 'm',
    record: { predictionId: idOf(1), version: 3, outputs: [{ data: [0.1, 0, 1e-40] }] },
  });
  expect(Number((await recordOf(1))?.['at_ms'])).toBe(1_700_000_000_001);
  expect(await recordOf(2)).toMatchObject({ record: { outputs: [{ data }] } });
});

it('leaves a prediction alone that is there already, in the same write too', async () => {
  await store.addPredictions([prediction(3, [1])]);
  await store.addPredictions([prediction(3, [2]), prediction(4, [3]), prediction(4, [4])]);
  expect(await recordOf(3)).toMatchObject({ record: { outputs: [{ data: [1] }] } });
  expect(await recordOf(4)).toMatchObject({ record: { outputs: [{ data: [3] }] } });
});

it('writes more, and larger ones, than one statement takes', async () => {
  // Six of them are together beyond what Postgres has room for in one array.
  const digits = new Array<number>(4_000_000).fill(7);
  const large = Array.from({ length: 6 }, (_, n) => prediction(100 + n, digits));
  const many = Array.from({ length: 450 }, (_, n) => prediction(1_000 + n));
  await store.addPredictions([...large, ...many]);
  const [row] = await database.query('SELECT count(*) AS n FROM predictions WHERE prediction_id >= $1', [
    idOf(100),
  ]);
  expect(Number(row?.['n'])).toBe(456);
}, 120_000);
