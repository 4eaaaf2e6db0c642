import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GRPCInferenceService } from '../../../serving/protocols/open-inference-grpc/generated/open_inference_pb.js';
import { until } from '../../support/load.ts';
import { GrpcClient } from '../support/grpc-client.ts';
import { scaledSum } from '../support/models.ts';
import { ask } from '../support/requests.ts';
import { startServer, type TestServer } from '../support/server.ts';

describe('a server that is told to end and takes requests for a while yet', () => {
  let server: TestServer;
  let client: GrpcClient<typeof GRPCInferenceService>;
  const ready = () => ask(`${server.rest}/v2/health/ready`);
  const grpcReady = async () => (await client.call('serverReady', {})).message.ready;

  beforeAll(async () => {
    server = await startServer({ sums: { 1: scaledSum(2) } }, { lameDuckMs: 3_000 });
    client = new GrpcClient(GRPCInferenceService, server.grpc);
  });
  afterAll(async () => {
    client.close();
    await server.stop();
  });

  it('tells load balancers that ask the ports of the requests too, and answers on', async () => {
    expect([(await ready()).json, await grpcReady()]).toEqual([{ ready: true }, true]);
    server.process.kill('SIGTERM');
    await until(async () => (await ready()).status === 400, 'it is not ready any more');
    expect([(await ready()).json, await grpcReady()]).toEqual([{ ready: false }, false]);
    expect((await ask(`${server.rest}/v2/health/live`)).json).toEqual({ live: true });
    expect((await ask(`${server.rest}/v1/models/sums:predict`, { instances: [[1, 2]] })).status).toBe(200);
    expect(await server.ended).toBe(0);
  });
});
