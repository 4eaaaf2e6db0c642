import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { predictionIdHeader } from '../../../serving/contract/index.ts';
import { until } from '../../support/load.ts';
import { scaledSum } from '../support/models.ts';
import { ask } from '../support/requests.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { Collector, type Span } from './collector.ts';

const callersTrace = '0af7651916cd43dd8448eb211c80319c';
const callersSpan = 'b7ad6b7169203331';
const traceparent = (flags: string, trace = callersTrace) => `00-${trace}-${callersSpan}-${flags}`;
const secret = 4711.25;

const predict = (server: TestServer, headers: Record<string, string> = {}, a = secret) =>
  ask(`${server.rest}/v1/models/sum:predict?key=hidden`, { instances: [[a, 1]] }, { headers });

/** Log lines of requests. */
const lines = (server: TestServer) =>
  server
    .log()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ msg }) => msg === 'request' || msg === 'request refused');

describe('a server with a collector of traces', () => {
  const collector = new Collector();
  let server: TestServer;
  beforeAll(async () => {
    const endpoint = await collector.start();
    server = await startServer(
      { sum: { 3: scaledSum(1) } },
      { tracing: { endpoint, sampleRatio: 0 }, accessLog: true, logLevel: 'info' },
      { OTEL_BSP_SCHEDULE_DELAY: '100' },
    );
  });
  afterAll(async () => {
    await server?.stop();
    await collector.stop();
  });

  it("makes a span below the caller's, with one for each phase inside it", async () => {
    const answer = await predict(server, { traceparent: traceparent('01'), 'x-request-id': 'order-7' });
    expect(answer.status).toBe(200);
    const find = () => collector.spans.find(({ parentId }) => parentId === callersSpan);
    await until(async () => find() !== undefined, 'the span arrives');
    const span = find() as Span;
    expect(span).toMatchObject({
      traceId: callersTrace,
      name: 'predict sum',
      attributes: {
        'url.path': '/v1/models/sum:predict',
        'http.response.status_code': '200',
        'modelmile.model': 'sum',
        'modelmile.version': '3',
        'modelmile.request_id': 'order-7',
        'modelmile.prediction_id': answer.headers.get(predictionIdHeader),
      },
    });
    const phases = collector.spans.filter(({ parentId }) => parentId === span.spanId);
    expect(phases.map(({ name }) => name)).toEqual(['parse', 'queue', 'batch', 'infer', 'serialize']);
    for (const { startNs, endNs, traceId } of phases) {
      expect(traceId).toBe(callersTrace);
      expect(startNs >= span.startNs && startNs <= endNs && endNs <= span.endNs).toBe(true);
    }
    expect(collector.paths).toEqual(new Set(['/v1/traces']));
    expect(collector.resources[0]).toMatchObject({ 'service.name': 'modelmile' });
  });

  it('names the refusal in the span of a request that it refused', async () => {
    const trace = '1af7651916cd43dd8448eb211c80319c';
    const url = `${server.rest}/v1/models/sum:predict`;
    const answer = await ask(
      url,
      { instances: [[1]] },
      { headers: { traceparent: traceparent('01', trace) } },
    );
    expect(answer.status).toBe(400);
    const find = () => collector.spans.find(({ traceId }) => traceId === trace);
    await until(async () => find() !== undefined, 'the span arrives');
    expect(find()?.attributes).toMatchObject({
      'error.type': 'SERVING_BAD_INPUT',
      'http.response.status_code': '400',
    });
  });

  it('leaves out what the caller does not trace, and at a ratio of 0 what begins here', async () => {
    const before = collector.spans.length;
    await predict(server, { traceparent: traceparent('00') });
    await predict(server);
    const trace = '2af7651916cd43dd8448eb211c80319c';
    await predict(server, { traceparent: traceparent('01', trace) });
    await until(async () => collector.spans.some(({ traceId }) => traceId === trace), 'the third arrives');
    expect(new Set(collector.spans.slice(before).map(({ traceId }) => traceId))).toEqual(new Set([trace]));
  });

  it("writes a line for each request with its ids and the caller's trace, never with what was sent", async () => {
    const answer = await predict(server, { traceparent: traceparent('00'), 'x-request-id': 'order-8' });
    await until(async () => lines(server).some(({ requestId }) => requestId === 'order-8'), 'the line');
    expect(lines(server).find(({ requestId }) => requestId === 'order-8')).toMatchObject({
      traceId: callersTrace,
      predictionId: answer.headers.get(predictionIdHeader),
      verb: 'predict',
      path: '/v1/models/sum:predict',
      status: 200,
      model: 'sum',
      version: 3,
    });
    const named = await predict(server);
    await until(
      async () => lines(server).some(({ requestId }) => requestId === named.headers.get('x-request-id')),
      'a line by the name that the server gave',
    );
    const said = [server.log(), ...collector.bodies.map((body) => body.toString('latin1'))].join('\n');
    expect(said).not.toContain(String(secret));
    expect(said).not.toContain('hidden');
  });
});

describe('a server without a collector', () => {
  it('writes no line for what it answered, and says of a refusal which trace it belongs to', async () => {
    const server = await startServer({ sum: { 1: scaledSum(1) } }, { logLevel: 'info' });
    try {
      await predict(server, { 'x-request-id': 'order-9' });
      await ask(`${server.rest}/v1/models/sum:predict`, 'no json', {
        headers: { traceparent: traceparent('01') },
      });
      await until(async () => lines(server).length > 0, 'the refusal is logged');
      expect(lines(server)).toEqual([
        expect.objectContaining({ msg: 'request refused', traceId: callersTrace, code: 'SERVING_BAD_JSON' }),
      ]);
    } finally {
      await server.stop();
    }
  });

  it('answers on where a collector is named that is not there', async () => {
    const server = await startServer(
      { sum: { 1: scaledSum(1) } },
      { tracing: { endpoint: 'http://127.0.0.1:9' } },
    );
    try {
      for (let i = 0; i < 20; i++) expect((await predict(server)).status).toBe(200);
    } finally {
      await server.stop();
    }
    expect(await server.ended).toBe(0);
  });
});
