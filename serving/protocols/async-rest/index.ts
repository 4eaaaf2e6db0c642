import type { DataPlane } from '../../dataplane.ts';
import { ServingError } from '../../errors.ts';
import type { LaterState } from '../../later.ts';
import { decodeSegment } from '../path.ts';
import type { RestProtocol, RestRequest, RestResponse } from '../protocol.ts';

const requestPath = /^\/async\/requests\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(\/result)?\/?$/;
/** Requests that run a model: TensorFlow Serving's in capitals too, as there. */
const tensorflowPath =
  /^\/async(\/v1\/models\/([^/:]+)(?:\/versions\/\d+|\/labels\/[^/:]+)?:(?:predict|classify|regress))\/?$/i;
const openInferencePath = /^\/async(\/v2\/models\/([^/]+)(?:\/versions\/\d+)?\/infer)\/?$/;
/** Headers that say what the body is. All others stay out of the queue: they may hold a key. */
const keptHeaders = ['content-type', 'inference-header-content-length', 'accept'] as const;
/** Of an answer; the rest is of the connection, or made anew. */
const givenHeaders: readonly string[] = [
  'content-type',
  'inference-header-content-length',
  'x-modelmile-prediction-id',
];

const json = { 'content-type': 'application/json' };

const describe = (state: LaterState, status: number): RestResponse => ({
  status,
  headers: { ...json, location: `/async/requests/${state.id}` },
  body: JSON.stringify(state),
  verb: 'async',
  model: state.model,
});

async function submit(
  request: RestRequest,
  path: string,
  model: string,
  dataPlane: DataPlane,
): Promise<RestResponse> {
  const kept = keptHeaders.map((name) => [name, request.headers[name]] as const);
  const headers = Object.fromEntries(kept.filter(([, value]) => value !== undefined));
  return describe(await dataPlane.submit({ path, headers, body: () => request.body() }, model), 202);
}

async function result(id: string, dataPlane: DataPlane): Promise<RestResponse> {
  const { status, head, body, model } = await dataPlane.later('result', id);
  const headers: Record<string, string> = {};
  for (let at = 0; at < head.length; at += 2) {
    const name = head[at] as string;
    if (givenHeaders.includes(name)) headers[name] = head[at + 1] as string;
  }
  return { status, headers, body, verb: 'async', model };
}

async function answer(request: RestRequest, dataPlane: DataPlane): Promise<RestResponse> {
  const [, path, model] = tensorflowPath.exec(request.path) ?? openInferencePath.exec(request.path) ?? [];
  if (path !== undefined && model !== undefined) {
    if (request.method === 'POST') return submit(request, path, decodeSegment(model), dataPlane);
    throw new ServingError('SERVING_METHOD_NOT_ALLOWED', `${request.path} answers POST`);
  }
  const [, id, wantsResult] = requestPath.exec(request.path) ?? [];
  if (id === undefined) throw new ServingError('SERVING_NO_ROUTE', `There is nothing at ${request.path}`);
  if (request.method === 'GET') {
    return wantsResult ? result(id, dataPlane) : describe(await dataPlane.later('state', id), 200);
  }
  if (request.method === 'DELETE' && !wantsResult) return describe(await dataPlane.later('cancel', id), 200);
  throw new ServingError('SERVING_METHOD_NOT_ALLOWED', `${request.path} does not answer ${request.method}`);
}

/**
 * Requests of the other protocols, answered later: `POST /async/<path>`, then `GET` or `DELETE /async/requests/<id>` and
 * `GET /async/requests/<id>/result`, which is what `POST <path>` would have answered.
 */
export const asyncRest: RestProtocol = {
  handle: (request, dataPlane) =>
    request.path.startsWith('/async/') ? answer(request, dataPlane) : undefined,
  error: (message) => JSON.stringify({ error: message }),
};
