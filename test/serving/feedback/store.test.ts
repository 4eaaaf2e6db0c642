import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { FeedbackRecord, PredictionRecord } from '../../../serving/contract/index.ts';
import { firstIdAt } from '../../../serving/feedback/prediction-pages.ts';
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

const nowMs = Date.now();
const idOf = (n: number, atMs = nowMs) =>
  `${firstIdAt(atMs).slice(0, 14)}7b4d-9f45-${String(n).padStart(12, '0')}`;
const recordOf = (
  n: number,
  data: PredictionRecord['outputs'][number]['data'] = [0.1, 0, 1e-40],
  atMs = nowMs,
): PredictionRecord => ({
  predictionId: idOf(n, atMs),
  model: 'm',
  version: 3,
  digest: 'd',
  atMs,
  rows: 1,
  outputs: [{ name: 'y', dtype: 'float32', shape: [1, data.length], data: [...data] }],
});
const prediction = (...of: Parameters<typeof recordOf>) => written(recordOf(...of));
const rate = (predictionId: string, model = 'm') =>
  store.addFeedback(model, { predictionId, row: 0, rating: 0.5 });
const countOf = async (table: string) =>
  Number((await database.query(`SELECT count(*) AS n FROM ${table}`))[0]?.['n']);
async function exported(): Promise<Map<string, FeedbackRecord>> {
  const records = new Map<string, FeedbackRecord>();
  for await (const record of store.feedback('m')) records.set(record.predictionId, record);
  return records;
}

it('gives feedback what was answered as it was, text that looks like JSON too', async () => {
  const data = ['"quoted"', '\\', '\u{1f600}', 'a\nb', "it's", '$1'];
  await store.addPredictions([prediction(1), prediction(2, data)]);
  for (const n of [1, 2]) await rate(idOf(n));
  const records = await exported();
  expect(records.get(idOf(1))).toMatchObject({ model: 'm', version: 3, digest: 'd', row: 0, rating: 0.5 });
  expect(records.get(idOf(1))?.outputs[0]?.data).toEqual([0.1, 0, 1e-40]);
  expect(records.get(idOf(2))?.outputs[0]?.data).toEqual(data);
});

it('takes feedback to one prediction more than once, and to one that was written twice', async () => {
  for (let time = 0; time < 2; time++) await store.addPredictions([prediction(3), prediction(4)]);
  for (let time = 0; time < 2; time++) await rate(idOf(3));
  await rate(idOf(4).toUpperCase());
  const about: string[] = [];
  for await (const record of store.feedback('m')) about.push(record.predictionId);
  expect(about.filter((id) => id === idOf(3))).toHaveLength(2);
  expect(about.filter((id) => id === idOf(4))).toHaveLength(1);
});

it('knows no prediction that was not written, nor one of another model', async () => {
  await store.addPredictions([prediction(5)]);
  const notFound = { code: 'SERVING_PREDICTION_NOT_FOUND' };
  await expect(rate(idOf(6))).rejects.toMatchObject(notFound);
  await expect(rate('ffffffff-ffff-4fff-bfff-ffffffffffff')).rejects.toMatchObject(notFound);
  await expect(rate(idOf(5), 'another')).rejects.toMatchObject(notFound);
  await rate(idOf(5));
  await expect(rate(idOf(5), 'another')).rejects.toMatchObject(notFound);
});

it('writes more, and larger ones, than one statement takes, and finds each of them', async () => {
  const digits = new Array<number>(4_000_000).fill(7);
  const large = Array.from({ length: 6 }, (_, n) => prediction(100 + n, digits, nowMs - 60_000));
  const many = Array.from({ length: 450 }, (_, n) => prediction(1_000 + n, [n], nowMs - 40 * n));
  await store.addPredictions([...large, ...many]);
  for (let n = 0; n < 450; n++) await rate(idOf(1_000 + n, nowMs - 40 * n));
  await rate(idOf(105, nowMs - 60_000));
  const records = await exported();
  for (let n = 0; n < 450; n++)
    expect(records.get(idOf(1_000 + n, nowMs - 40 * n))?.outputs[0]?.data).toEqual([n]);
  expect(records.get(idOf(105, nowMs - 60_000))?.outputs[0]?.shape).toEqual([1, 4_000_000]);
}, 120_000);

it('finds a prediction that an earlier version of the server wrote', async () => {
  const old = recordOf(7);
  await database.query(
    'INSERT INTO predictions (prediction_id, model, at_ms, record) VALUES ($1, $2, $3, $4)',
    [old.predictionId, old.model, old.atMs, JSON.stringify(old)],
  );
  await rate(idOf(7));
  expect((await exported()).get(idOf(7))).toMatchObject({ version: 3 });
});

it('forgets old predictions, but never one that has feedback', async () => {
  const days = (count: number) => nowMs + count * 24 * 3600 * 1000;
  await store.addPredictions([prediction(8), prediction(9)]);
  await rate(idOf(8));
  const before = (await exported()).size;
  await store.prune(days(6));
  expect(await countOf('prediction_pages')).toBeGreaterThan(0);
  await store.prune(days(8));
  expect(await countOf('prediction_pages')).toBe(0);
  expect((await exported()).size).toBe(before);
  await rate(idOf(8));
  await expect(rate(idOf(9))).rejects.toMatchObject({ code: 'SERVING_PREDICTION_NOT_FOUND' });
});

it('forgets many old predictions of an earlier version of the server beside much feedback, and many pages', async () => {
  const other = await openEmbeddedDatabase(await mkdtemp(join(folder, 'other-')));
  const old = await FeedbackStore.open(other);
  const many = 20_000;
  const ids = (from: number) => `(lpad(to_hex(g + ${from}), 32, '0'))::uuid`;
  await other.script(`
    INSERT INTO predictions SELECT ${ids(0)}, 'm', g, '{}' FROM generate_series(1, ${2 * many}) g;
    INSERT INTO feedback SELECT ${ids(0)}, ${ids(0)}, 'm', 1, '{}' FROM generate_series(1, ${many}) g;
    INSERT INTO prediction_pages SELECT ${ids(0)}, ${ids(9)}, '[]' FROM generate_series(1, 250) g`);
  const startMs = performance.now();
  await old.prune(nowMs);
  // Without an index each of them has all feedback looked through: half a minute.
  expect(performance.now() - startMs).toBeLessThan(10_000);
  const [left] = await other.query(
    'SELECT (SELECT count(*) FROM predictions)::int AS rows, (SELECT count(*) FROM prediction_pages)::int AS pages',
  );
  expect(left).toEqual({ rows: many, pages: 0 });
  await other.close();
}, 60_000);

it('sends a prediction to the database once more, with the first feedback to it, not with each', async () => {
  const sent: number[] = [];
  const counting = await FeedbackStore.open({
    ...database,
    query(sql, parameters = []) {
      sent.push(JSON.stringify(parameters).length);
      return database.query(sql, parameters);
    },
  });
  await counting.addPredictions([prediction(10, new Array<number>(10_000).fill(0.5))]);
  const give = () => counting.addFeedback('m', { predictionId: idOf(10), row: 0, rating: 0.5 });
  await give();
  const before = sent.length;
  expect(sent.filter((length) => length > 10_000)).toHaveLength(2);
  await give();
  expect(sent.length).toBeGreaterThan(before);
  expect(sent.filter((length) => length > 10_000)).toHaveLength(2);
});
