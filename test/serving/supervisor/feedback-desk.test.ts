import { expect, it } from '@jest/globals';
import { createLog } from '../../../serving/log.ts';
import type { Database, Row } from '../../../serving/middleware/database/database.ts';
import { FeedbackDesk } from '../../../serving/supervisor/feedback-desk.ts';

const predictionId = '01a226ff-f51e-7b4d-9f45-2acb6f450efe';

it('does not call a prediction unknown that the database has yet to take', async () => {
  let isAway = true;
  const query = async (sql: string): Promise<readonly Row[]> => {
    if (isAway && sql.startsWith('INSERT INTO predictions')) throw new Error('away');
    return [];
  };
  const database: Database = {
    query,
    script: query,
    transaction: (work) => work(query),
    close: async () => {},
  };
  const desk = new FeedbackDesk(Promise.resolve(database), createLog('silent', 'test'));
  desk.predictions([{ predictionId, model: 'm', version: 1, digest: 'd', atMs: 0, rows: 1, outputs: [] }]);
  const feedback = (id: string) => desk.feedback('m', { predictionId: id, row: 0, label: 1 });
  await expect(feedback(predictionId)).rejects.toMatchObject({ code: 'SERVING_FEEDBACK_UNAVAILABLE' });
  await expect(feedback('01a226ff-f51e-7b4d-9f45-000000000000')).rejects.toMatchObject({
    code: 'SERVING_PREDICTION_NOT_FOUND',
  });
  isAway = false;
  await desk.close();
});
