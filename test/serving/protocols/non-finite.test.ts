import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { scaledSum } from '../support/models.ts';
import { ask } from '../support/requests.ts';
import { startServer, type TestServer } from '../support/server.ts';

describe('a server that refuses NaN and Infinity in JSON', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ sum: { 1: scaledSum(2) } }, { nonFinite: 'reject' });
  });
  afterAll(() => server?.stop());

  /** Their sum is no float32. */
  const large = [3e38, 3e38];
  const input = { name: 'x', shape: [1, 2], datatype: 'FP32', data: large };

  it.each([
    ['predict', '/v1/models/sum:predict', { instances: [large] }],
    ['infer', '/v2/models/sum/infer', { inputs: [input] }],
  ])('says that the model gave one, to %s, as the fault of the request', async (_verb, path, body) => {
    const { status, json } = await ask(server.rest + path, body);
    expect(status).toBe(400);
    expect(json.error).toMatch(/^The model gave NaN or Infinity for this input\. .*binary tensors/);
    expect(server.log()).not.toContain('a bug');
  });

  it('answers in binary all the same', async () => {
    const body = { inputs: [input], parameters: { binary_data_output: true } };
    const { status } = await ask(`${server.rest}/v2/models/sum/infer`, body);
    expect(status).toBe(200);
  });
});
