import type { DataPlane } from '../../dataplane.ts';
import { ServingError } from '../../errors.ts';
import { decodeSegment } from '../path.ts';
import type { RestRequest, RestResponse } from '../protocol.ts';

const pathPattern = /^repository\/(?:index|models\/([^/]+)\/(load|unload))$/;

/**
 * The repository extension: which models there are, and, where the settings allow it, loading and unloading them.
 * @returns undefined where the path is not its own
 * @see https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_repository.md
 */
export function answerRepository(
  path: string,
  request: RestRequest,
  dataPlane: DataPlane,
): Promise<RestResponse> | undefined {
  const found = pathPattern.exec(path);
  if (!found) return undefined;
  if (request.method !== 'POST') {
    throw new ServingError('SERVING_METHOD_NOT_ALLOWED', `${request.path} answers POST`);
  }
  const [, model, action] = found;
  return model === undefined
    ? index(request, dataPlane)
    : control(decodeSegment(model), action === 'load', dataPlane);
}

async function index(request: RestRequest, dataPlane: DataPlane): Promise<RestResponse> {
  const wanted = await readyOnly(request);
  const models = (await dataPlane.repository())
    .filter(({ ready }) => ready || !wanted)
    .map(({ name, version, ready, reason }) => ({
      name,
      version,
      state: ready ? 'READY' : 'UNAVAILABLE',
      reason,
    }));
  return answer(JSON.stringify(models));
}

async function readyOnly(request: RestRequest): Promise<boolean> {
  const body = await request.body();
  if (body.length === 0) return false;
  try {
    return (JSON.parse(body.toString('utf8')) as { ready?: unknown } | null)?.ready === true;
  } catch (error) {
    throw new ServingError('SERVING_BAD_JSON', `JSON Parse error: ${(error as Error).message}`);
  }
}

async function control(model: string, isLoad: boolean, dataPlane: DataPlane): Promise<RestResponse> {
  await (isLoad ? dataPlane.load(model) : dataPlane.unload(model));
  return answer('');
}

const answer = (body: string): RestResponse => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body,
  verb: 'repository',
});
