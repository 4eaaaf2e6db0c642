import { type Attributes, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources';
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-base';
import type { FinishedRequest } from '../monitoring/finished-request.ts';
import { version } from '../version.ts';
import type { TraceHeaders } from './trace-headers.ts';

const propagator = new W3CTraceContextPropagator();
const getter = {
  keys: (headers: TraceHeaders) => Object.keys(headers),
  get: (headers: TraceHeaders, name: string) => headers[name as keyof TraceHeaders],
};

/** How long the last spans may take on their way when the process ends. */
const closeTimeoutMs = 2_000;

const serviceName = process.env['OTEL_SERVICE_NAME'] ?? 'modelmile';

/**
 * Spans by OpenTelemetry over OTLP/HTTP. They are made when a request has been answered, from times that were noted on the way, so
 * that nothing of it lies on the request's own path. Never a payload, never a query.
 */
export class OpenTelemetryTracer {
  readonly #provider: BasicTracerProvider;

  /** @param endpoint of a collector, without `/v1/traces`; left out = the environment's */
  constructor(endpoint: string | undefined, sampleRatio: number) {
    const exporter = new OTLPTraceExporter(
      endpoint === undefined ? {} : { url: `${endpoint.replace(/\/$/, '')}/v1/traces` },
    );
    this.#provider = new BasicTracerProvider({
      resource: defaultResource().merge(
        resourceFromAttributes({ 'service.name': serviceName, 'service.version': version }),
      ),
      sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(sampleRatio) }),
      spanProcessors: [new BatchSpanProcessor(exporter)],
    });
  }

  record(request: FinishedRequest, endedMs: number): string | undefined {
    // Of this moment: the clock of the process and that of the wall drift apart.
    const epochMs = Date.now() - performance.now();
    const parent = propagator.extract(ROOT_CONTEXT, request.trace, getter);
    const tracer = this.#provider.getTracer('modelmile', version);
    const span = tracer.startSpan(
      `${request.verb} ${request.model}`.trim(),
      { kind: SpanKind.SERVER, startTime: epochMs + request.startedMs, attributes: attributesOf(request) },
      parent,
    );
    const { traceId } = span.spanContext();
    if (!span.isRecording()) return undefined;
    if (request.status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
    const context = trace.setSpan(parent, span);
    for (const [name, fromMs, toMs, attributes] of phasesOf(request, endedMs)) {
      tracer
        .startSpan(name, { startTime: epochMs + fromMs, ...(attributes && { attributes }) }, context)
        .end(epochMs + toMs);
    }
    span.end(epochMs + endedMs);
    return traceId;
  }

  async close(): Promise<void> {
    const late = new Promise<void>((resolve) => setTimeout(resolve, closeTimeoutMs).unref());
    await Promise.race([this.#provider.shutdown().catch(() => {}), late]);
  }
}

function attributesOf({
  protocol,
  path,
  status,
  model,
  version: number,
  plane,
  ...request
}: FinishedRequest): Attributes {
  return {
    ...(protocol === 'rest'
      ? { 'url.path': path, 'http.response.status_code': status }
      : { 'rpc.system': 'grpc', 'rpc.method': path }),
    ...(model !== '' && { 'modelmile.model': model, 'modelmile.version': number }),
    ...(plane?.predictionId !== undefined && { 'modelmile.prediction_id': plane.predictionId }),
    ...(request.requestId !== undefined && { 'modelmile.request_id': request.requestId }),
    ...(request.refusal !== undefined && { 'error.type': request.refusal.code }),
  };
}

type Phase = readonly [name: string, fromMs: number, toMs: number, attributes?: Attributes];

/** The same phases as the metrics'. What was answered from the cache, or elsewhere, has one for all of the engine. */
function phasesOf({ plane, startedMs, bodyEndedMs }: FinishedRequest, endedMs: number): Phase[] {
  if (plane === undefined || plane.inferEndedMs === 0) return [];
  const parse: Phase[] =
    bodyEndedMs > 0 ? [['parse', Math.max(startedMs, bodyEndedMs), plane.inferStartedMs]] : [];
  const { phases } = plane;
  const engine: Phase[] =
    phases === undefined || phases.takenMs === 0
      ? [['infer', plane.inferStartedMs, plane.inferEndedMs]]
      : [
          ['queue', phases.enqueuedMs, phases.takenMs],
          ['batch', phases.takenMs, phases.inferStartedMs, { 'modelmile.batch_rows': phases.batchRows }],
          ['infer', phases.inferStartedMs, phases.inferEndedMs],
        ];
  return [...parse, ...engine, ['serialize', plane.inferEndedMs, endedMs]];
}
