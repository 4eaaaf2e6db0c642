import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import type { FeedbackRequest } from '../../../serving/contract/index.ts';
import { firstIdAt } from '../../../serving/feedback/prediction-pages.ts';
import { FeedbackStore } from '../../../serving/feedback/store.ts';
import { written } from '../../../serving/feedback/written-prediction.ts';
import type { Database } from '../../../serving/middleware/database/database.ts';
import { openPostgres } from '../../../serving/middleware/database/postgres.ts';
import { hasPostgres, type PostgresServer, startPostgres } from '../support/postgres.ts';

(hasPostgres ? describe : describe.skip)('feedback of several servers on one Postgres', () => {
  const nowMs = Date.now();
  const dayMs = 24 * 3600 * 1000;
  let postgres: PostgresServer;
  const databases: Database[] = [];
  const connect = () => {
    const { port, credentialsDir } = postgres;
    const settings = { host: '127.0.0.1', port, name: 'modelmile', credentialsDir, tls: false };
    const database = openPostgres(settings);
    databases.push(database);
    return database;
  };
  const idOf = (n: number) => `${firstIdAt(nowMs).slice(0, 14)}7b4d-9f45-${String(n).padStart(12, '0')}`;
  const prediction = (n: number) =>
    written({
      predictionId: idOf(n),
      model: 'm',
      version: 1,
      digest: 'd',
      atMs: nowMs,
      rows: 1,
      outputs: [{ name: 'y', dtype: 'float32', shape: [1, 1], data: [n] }],
    });
  const rating = (n: number): FeedbackRequest => ({ predictionId: idOf(n), row: 0, rating: 0.5 });

  beforeAll(async () => {
    postgres = await startPostgres();
  }, 60_000);
  afterAll(async () => {
    for (const database of databases) await database.close();
    await postgres.stop();
  });

  it('opens on all of them when they start together', async () => {
    const stores = await Promise.all(Array.from({ length: 6 }, () => FeedbackStore.open(connect())));
    expect(stores).toHaveLength(6);
  });

  it('opens while somebody reads the tables for long, as a backup does, and keeps nobody from writing', async () => {
    const store = await FeedbackStore.open(connect());
    const backup = new pg.Client({
      host: '127.0.0.1',
      port: postgres.port,
      database: 'modelmile',
      user: 'modelmile',
      password: 'a password',
    });
    await backup.connect();
    await backup.query('BEGIN');
    await backup.query('SELECT count(*) FROM predictions, prediction_pages, feedback');
    await FeedbackStore.open(connect());
    await store.addPredictions([prediction(1)]);
    await expect(store.addFeedback('m', rating(1))).resolves.toHaveProperty('feedbackId');
    await backup.end();
  }, 20_000);

  it('loses no feedback that was acknowledged while others forget predictions', async () => {
    const [one, two] = [await FeedbackStore.open(connect()), await FeedbackStore.open(connect())];
    const numbers = Array.from({ length: 300 }, (_, n) => 1_000 + n);
    await one.addPredictions(numbers.map(prediction));
    const given = numbers.flatMap((n) => [one, two].map((store) => store.addFeedback('m', rating(n))));
    const [answers] = await Promise.all([
      Promise.allSettled(given),
      one.prune(nowMs + 8 * dayMs),
      two.prune(nowMs + 8 * dayMs),
    ]);
    const kept = new Set<string>();
    for await (const { feedbackId } of one.feedback('m')) kept.add(feedbackId);
    for (const answer of answers) {
      if (answer.status === 'fulfilled') expect(kept).toContain(answer.value.feedbackId);
      else expect(answer.reason).toMatchObject({ code: 'SERVING_PREDICTION_NOT_FOUND' });
    }
  }, 60_000);
});
