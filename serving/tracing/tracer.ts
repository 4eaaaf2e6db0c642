import type { ServingSettings } from '../contract/index.ts';
import type { FinishedRequest } from '../monitoring/finished-request.ts';

/** Makes spans of requests that have been answered. */
export interface Tracer {
  /** @param endedMs on `performance.now()`'s clock @returns the trace's id where it is sampled */
  record(request: FinishedRequest, endedMs: number): string | undefined;
  /** Sends what waits. */
  close(): Promise<void>;
}

const endpointVariables = ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'];

/**
 * The tracer that the settings, or OpenTelemetry's own environment variables, ask for. OpenTelemetry is loaded only then.
 * @see https://opentelemetry.io/docs/specs/otel/protocol/exporter/
 */
export async function openTracer({ tracing }: Pick<ServingSettings, 'tracing'>): Promise<Tracer | undefined> {
  const isInEnvironment = endpointVariables.some((name) => (process.env[name] ?? '') !== '');
  if (tracing === undefined && !isInEnvironment) return undefined;
  const { OpenTelemetryTracer } = await import('./opentelemetry.ts');
  return new OpenTelemetryTracer(tracing?.endpoint, tracing?.sampleRatio ?? 1);
}
