import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { PredictionService } from '../../../serving/protocols/tensorflow-grpc/generated/tensorflow_serving_pb.js';
import { GrpcClient } from '../support/grpc-client.ts';
import { scaledSum } from '../support/models.ts';
import { ask } from '../support/requests.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  // Whoever comes alone waits for company until after the latest deadline.
  const batching = { batchTimeoutMs: 400, maxBatchSize: 64 };
  server = await startServer({ sum: { 1: scaledSum(1) } }, { requestTimeoutMs: 100, batching });
});
afterAll(() => server?.stop());

const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }];

it('a request may shorten the time that the settings give it, not lengthen it', async () => {
  for (const timeout of [1_000, 10_000_000]) {
    const answer = await ask(`${server.rest}/v2/models/sum/infer`, { inputs, parameters: { timeout } });
    expect(answer.status).toBe(504);
  }
});

it('so may a deadline over gRPC', async () => {
  const client = new GrpcClient(PredictionService, server.grpc);
  const x = { dtype: 1, tensorShape: { dim: [{ size: 1n }, { size: 2n }] }, floatVal: [1, 2] };
  const call = client.call('predict', { modelSpec: { name: 'sum' }, inputs: { x } }, { deadlineMs: 30_000 });
  await expect(call).rejects.toMatchObject({
    code: status.DEADLINE_EXCEEDED,
    details: expect.stringContaining('was not computed'),
  });
  client.close();
});
