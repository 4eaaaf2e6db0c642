import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { predictionIdHeader } from '../../../serving/contract/index.ts';
import { classifier } from '../support/models.ts';
import { ask } from '../support/requests.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ tones: { 1: classifier } });
});
afterAll(() => server?.stop());

it('refuses feedback that retraining could never use, over the same path that takes what it can', async () => {
  const path = `${server.rest}/v1/models/tones`;
  const { headers } = await ask(`${path}:predict`, { instances: [[1, 2, 3, 4]] });
  const predictionId = headers.get(predictionIdHeader);
  const give = (said: object) => ask(`${path}:feedback`, { predictionId, ...said });
  for (const [said, why] of [
    [
      { label: 'four' },
      'no class "four"; a label is an index from 0 to 2, or a name: "red", "green", "blue"',
    ],
    [{ label: 3 }, 'no class 3; a label is an index from 0 to 2'],
    [{ correction: [0, 1] }, 'has 3 values a row, the correction has 2'],
  ] as const) {
    const { status, json } = await give(said);
    expect([said, status]).toEqual([said, 400]);
    expect(json.error).toContain(why);
  }
  for (const said of [{ label: 'blue' }, { label: 2 }, { correction: [0, 1, 0] }, { rating: 0.5 }])
    expect([said, (await give(said)).status]).toEqual([said, 200]);
});
