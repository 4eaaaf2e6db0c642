import type { DataPlane } from '../dataplane.ts';
import type { ServingError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Count, Distribution, Metrics } from './registry.ts';

/** A request that was answered. */
export interface FinishedRequest {
  readonly protocol: 'rest' | 'grpc';
  /** Bounded word: predict, classify, infer, ... or `error`. */
  readonly verb: string;
  readonly model: string;
  readonly version: number | '';
  /** HTTP status, for gRPC the one that its code maps to. */
  readonly status: number;
  /** Path without query, or the gRPC method. */
  readonly path: string;
  readonly startedMs: number;
  /** When the body was there; 0 where it was never read. */
  readonly bodyEndedMs: number;
  /** Undefined where it was refused before. */
  readonly plane: DataPlane | undefined;
  readonly callerId: string;
  readonly requestId: string | undefined;
  readonly refusal: ServingError | undefined;
}

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
  readonly #meters = new Map<string, Meters>();
  #second = 0;
  #lines = 0;

  constructor(metrics: Metrics, log: Log) {
    this.#metrics = metrics;
    this.#log = log;
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
    if (request.refusal !== undefined) this.#logRefusal(request, request.refusal, nowMs);
    else if (this.#log.isLevelEnabled('debug')) this.#log.debug(this.#line(request, nowMs), 'request');
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
    { protocol, path, status, model, version, callerId, requestId, startedMs }: FinishedRequest,
    nowMs: number,
  ) {
    return {
      ...(requestId !== undefined && { requestId }),
      protocol,
      path: path.slice(0, 200),
      status,
      ...(model !== '' && { model, version }),
      caller: callerId,
      ms: Math.round((nowMs - startedMs) * 1000) / 1000,
    };
  }

  #logRefusal(request: FinishedRequest, { code, message }: ServingError, nowMs: number): void {
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
    const line = { ...this.#line(request, nowMs), code, reason: message.slice(0, 500) };
    if (request.status >= 500) this.#log.error(line, 'request failed');
    else this.#log.info(line, 'request refused');
  }
}
