import type { ServingError } from '../errors.ts';
import type { Log } from '../log.ts';
import { traceIdOf } from '../tracing/trace-headers.ts';
import type { Tracer } from '../tracing/tracer.ts';
import type { FinishedRequest } from './finished-request.ts';
import type { Count, Distribution, Metrics } from './registry.ts';

interface Meters {
  readonly byStatus: Map<number, Count>;
  readonly duration: Distribution;
  readonly parse: Distribution;
  readonly serialize: Distribution;
}

/** Most lines a second that refusals may write: who floods the server must not flood its log. */
const maxLinesPerSecond = 50;

/** Metrics and log lines of every request, the same for all protocols. Payloads are never logged. */
export class RequestMeter {
  readonly #metrics: Metrics;
  readonly #log: Log;
  readonly #isEveryLogged: boolean;
  readonly #tracer: Tracer | undefined;
  readonly #meters = new Map<string, Meters>();
  #second = 0;
  #lines = 0;

  /** @param isEveryLogged whether requests that were answered get a line as well as those that were refused */
  constructor(metrics: Metrics, log: Log, isEveryLogged = false, tracer?: Tracer) {
    this.#metrics = metrics;
    this.#log = log;
    this.#isEveryLogged = isEveryLogged;
    this.#tracer = tracer;
  }

  record(request: FinishedRequest): void {
    const { model, version, verb, status, plane, startedMs, bodyEndedMs } = request;
    const nowMs = performance.now();
    const meters = this.#metersOf(model, version, verb);
    let requests = meters.byStatus.get(status);
    if (requests === undefined) {
      const labels = { model, version, method: verb, code: status };
      requests = this.#metrics.count('modelmile_requests_total', labels);
      meters.byStatus.set(status, requests);
    }
    requests.add();
    meters.duration.observe((nowMs - startedMs) / 1000);
    if (plane !== undefined && plane.inferEndedMs > 0) {
      if (bodyEndedMs > 0) meters.parse.observe((plane.inferStartedMs - bodyEndedMs) / 1000);
      meters.serialize.observe((nowMs - plane.inferEndedMs) / 1000);
    }
    const traceId = this.#tracer?.record(request, nowMs) ?? traceIdOf(request.trace);
    if (request.refusal !== undefined) this.#logRefusal(request, request.refusal, nowMs, traceId);
    else if (this.#isEveryLogged) this.#log.info(this.#line(request, nowMs, traceId), 'request');
    else if (this.#log.isLevelEnabled('debug')) {
      this.#log.debug(this.#line(request, nowMs, traceId), 'request');
    }
  }

  #metersOf(model: string, version: number | '', verb: string): Meters {
    const key = `${model}\0${version}\0${verb}`;
    const known = this.#meters.get(key);
    if (known !== undefined) return known;
    const labels = { model, version, method: verb };
    const phase = (name: string) =>
      this.#metrics.distribution('modelmile_phase_duration_seconds', { model, version, phase: name });
    const meters: Meters = {
      byStatus: new Map(),
      duration: this.#metrics.distribution('modelmile_request_duration_seconds', labels),
      parse: phase('parse'),
      serialize: phase('serialize'),
    };
    this.#meters.set(key, meters);
    return meters;
  }

  #line(
    { protocol, verb, path, status, model, version, plane, callerId, requestId, startedMs }: FinishedRequest,
    nowMs: number,
    traceId: string | undefined,
  ) {
    return {
      ...(requestId !== undefined && { requestId }),
      ...(traceId !== undefined && { traceId }),
      ...(plane?.predictionId !== undefined && { predictionId: plane.predictionId }),
      protocol,
      verb,
      path: path.slice(0, 200),
      status,
      ...(model !== '' && { model, version }),
      caller: callerId,
      ms: Math.round((nowMs - startedMs) * 1000) / 1000,
    };
  }

  #logRefusal(
    request: FinishedRequest,
    { code, message }: ServingError,
    nowMs: number,
    traceId: string | undefined,
  ): void {
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#second) {
      if (this.#lines > maxLinesPerSecond) {
        this.#log.warn({ lines: this.#lines - maxLinesPerSecond }, 'refusals that were not logged');
      }
      this.#second = second;
      this.#lines = 0;
    }
    this.#lines += 1;
    if (this.#lines > maxLinesPerSecond) return;
    const line = { ...this.#line(request, nowMs, traceId), code, reason: message.slice(0, 500) };
    if (request.status >= 500) this.#log.error(line, 'request failed');
    else this.#log.info(line, 'request refused');
  }
}
