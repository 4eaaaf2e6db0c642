import { expect, it } from '@jest/globals';
import { createLog, type Log } from '../../../serving/log.ts';
import type { Database, Row } from '../../../serving/middleware/database/database.ts';
import { FeedbackDesk } from '../../../serving/supervisor/feedback-desk.ts';
import { until } from '../../support/load.ts';

const predictionId = '01a226ff-f51e-7b4d-9f45-2acb6f450efe';
const prediction = (id: string) => ({
  predictionId: id,
  json: JSON.stringify({ predictionId: id, model: 'm', rows: 1 }),
});
/** Whose predictions a statement writes. */
const idsIn = ([, , records]: readonly unknown[]): string[] =>
  (JSON.parse(records as string) as { predictionId: string }[]).map(({ predictionId: id }) => id);

/** A desk on a database that answers so. */
function deskOn(query: Database['query']): FeedbackDesk {
  const database: Database = {
    query,
    script: query,
    transaction: (work) => work(query),
    close: async () => {},
  };
  return new FeedbackDesk(Promise.resolve(database), createLog('silent', 'test'));
}

it('does not call a prediction unknown that the database has yet to take', async () => {
  let isAway = true;
  const query = async (sql: string): Promise<readonly Row[]> => {
    if (isAway && sql.startsWith('INSERT INTO prediction_pages')) throw new Error('away');
    return [];
  };
  const desk = deskOn(query);
  desk.predictions([prediction(predictionId)]);
  const feedback = (id: string) => desk.feedback('m', { predictionId: id, row: 0, label: 1 });
  await expect(feedback(predictionId)).rejects.toMatchObject({ code: 'SERVING_FEEDBACK_UNAVAILABLE' });
  await expect(feedback('01a226ff-f51e-7b4d-9f45-000000000000')).rejects.toMatchObject({
    code: 'SERVING_PREDICTION_NOT_FOUND',
  });
  isAway = false;
  await desk.close();
});

it('waits for a prediction that is being written, and for one that is handed over meanwhile', async () => {
  const writes: (() => void)[] = [];
  const written = new Set<string>();
  const query = async (sql: string, parameters: readonly unknown[] = []): Promise<readonly Row[]> => {
    if (sql.startsWith('INSERT INTO prediction_pages')) {
      await new Promise<void>((resolve) => writes.push(resolve));
      for (const id of idsIn(parameters)) written.add(id);
    }
    return sql.startsWith('SELECT record') && written.has(parameters[0] as string)
      ? [{ record: { model: 'm', rows: 1 } }]
      : [];
  };
  const desk = deskOn(query);
  const feedback = (id: string) => desk.feedback('m', { predictionId: id, row: 0, label: 1 });
  const earlier = '01a226ff-f51e-7b4d-9f45-000000000000';
  desk.predictions([prediction(earlier)]);
  const first = feedback(earlier);
  await until(() => writes.length === 1, 'the earlier one is being written');
  const again = feedback(earlier);
  desk.predictions([prediction(predictionId)]);
  const next = feedback(predictionId);
  while (!written.has(predictionId)) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    for (const write of writes.splice(0)) write();
  }
  for (const answer of await Promise.all([first, again, next]))
    expect(answer.feedbackId).toMatch(/^[0-9a-f-]{36}$/);
  await desk.close();
});

it('tries again for feedback whose prediction could not be written, and does not refuse it for a second', async () => {
  let failures = 1;
  const written = new Set<unknown>();
  const query = async (sql: string, parameters: readonly unknown[] = []): Promise<readonly Row[]> => {
    if (sql.startsWith('INSERT INTO prediction_pages')) {
      if (failures-- > 0) throw new Error('away');
      for (const id of idsIn(parameters)) written.add(id);
    }
    return sql.startsWith('SELECT record') && written.has(parameters[0])
      ? [{ record: { model: 'm', rows: 1 } }]
      : [];
  };
  const desk = deskOn(query);
  desk.predictions([prediction(predictionId)]);
  const feedback = () => desk.feedback('m', { predictionId, row: 0, label: 1 });
  await expect(feedback()).rejects.toMatchObject({ code: 'SERVING_FEEDBACK_UNAVAILABLE' });
  expect((await feedback()).feedbackId).toMatch(/^[0-9a-f-]{36}$/);
  await desk.close();
});

it('writes at once what fills a tenth of the room that there is for predictions', async () => {
  let rows = 0;
  const query = async (sql: string, parameters: readonly unknown[] = []): Promise<readonly Row[]> => {
    if (sql.startsWith('INSERT INTO prediction_pages')) rows += idsIn(parameters).length;
    return [];
  };
  const desk = deskOn(query);
  const records = Array.from({ length: 2_001 }, () => prediction(predictionId));
  desk.predictions(records.slice(0, 2_000));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(rows).toBe(0);
  desk.predictions(records.slice(2_000));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(rows).toBe(2_001);
  await desk.close();
});

it('writes the predictions of a second together, and at once when somebody asks for one of them', async () => {
  const writes: number[] = [];
  const query = async (sql: string, parameters: readonly unknown[] = []): Promise<readonly Row[]> => {
    if (sql.startsWith('INSERT INTO prediction_pages')) writes.push(idsIn(parameters).length);
    return [];
  };
  const desk = deskOn(query);
  const id = (n: number) => `01a226ff-f51e-7b4d-9f45-${String(n).padStart(12, '0')}`;
  const handOver = async (from: number) => {
    for (let n = from; n < from + 5; n++) {
      desk.predictions([prediction(id(n))]);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  await handOver(0);
  expect(writes).toEqual([]);
  await desk.feedback('m', { predictionId: id(3), row: 0, label: 1 }).catch(() => {});
  expect(writes).toEqual([5]);
  await handOver(5);
  await until(() => writes.length === 2, 'the second is over');
  expect(writes).toEqual([5, 5]);
  await handOver(10);
  await desk.export('m').next();
  expect(writes).toEqual([5, 5, 5]);
  await handOver(15);
  await desk.close();
  expect(writes).toEqual([5, 5, 5, 5]);
});

it('says nothing of a database that is closed while it opens, for that was asked for', async () => {
  const lines: string[] = [];
  const log = { error: (_: object, text: string) => lines.push(text) } as unknown as Log;
  const opening = async (isAskedTo: boolean): Promise<void> => {
    let fail: (error: Error) => void = () => {};
    const database = new Promise<Database>((_, reject) => {
      fail = reject;
    });
    const desk = new FeedbackDesk(database, log);
    if (isAskedTo) await desk.close();
    fail(new Error('PGlite is closed'));
    await new Promise((resolve) => setImmediate(resolve));
    await desk.close();
  };
  await opening(false);
  expect(lines).toHaveLength(1);
  await opening(true);
  expect(lines).toHaveLength(1);
});

it('writes nothing again that was written before a later page failed', async () => {
  const written: string[] = [];
  let pages = 0;
  const query = async (sql: string, parameters: readonly unknown[] = []): Promise<readonly Row[]> => {
    if (!sql.startsWith('INSERT INTO prediction_pages')) return [];
    if (++pages === 2 || pages === 3) throw new Error('away');
    written.push(...idsIn(parameters));
    return [];
  };
  const desk = deskOn(query);
  const ids = Array.from({ length: 500 }, (_, n) => `01a226ff-f51e-7b4d-9f45-${String(n).padStart(12, '0')}`);
  desk.predictions(ids.map(prediction));
  await until(() => written.length >= ids.length, 'all are written');
  expect(written).toEqual(ids);
  await desk.close();
});

it('waits for a prediction in capitals too', async () => {
  let isWritten = false;
  const desk = deskOn(async (sql) => {
    if (sql.startsWith('INSERT INTO prediction_pages')) isWritten = true;
    return sql.startsWith('SELECT record') && isWritten ? [{ record: { model: 'm', rows: 1 } }] : [];
  });
  desk.predictions([prediction(predictionId)]);
  const request = { predictionId: predictionId.toUpperCase(), row: 0, label: 1 };
  await expect(desk.feedback('m', request)).resolves.toHaveProperty('feedbackId');
  await desk.close();
});

it('forgets old predictions as soon as it is open: many servers run for less than an hour at a time', async () => {
  const forgotten: string[] = [];
  const desk = deskOn(async (sql) => {
    const table = /^DELETE FROM (\w+)/.exec(sql)?.[1];
    if (table !== undefined) forgotten.push(table);
    return [];
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(forgotten).toEqual(['prediction_pages', 'predictions']);
  await desk.close();
});
