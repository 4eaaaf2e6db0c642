import { declaredProcessing } from '../../../conversion/manifest/index.ts';
import type { DataPlane } from '../../dataplane.ts';
import type { Servable } from '../../engine/servable.ts';
import { ServingError } from '../../errors.ts';
import type { Target } from '../../models.ts';
import { version as serverVersion } from '../../version.ts';
import {
  classified,
  openInferenceExtensions,
  openInferenceNames,
  openInferencePlatform,
} from '../../wire/open-inference.ts';
import { decodeSegment, remembering } from '../path.ts';
import type { RestProtocol, RestRequest, RestResponse } from '../protocol.ts';
import { exampleInfer } from './example.ts';
import { jsonLengthHeader, readInferRequest } from './infer-request.ts';
import { writeInferResponse } from './infer-response.ts';
import { answerRepository } from './repository.ts';
import { statistics } from './statistics.ts';

const json = { 'content-type': 'application/json' };

type Answer = (
  request: RestRequest,
  dataPlane: DataPlane,
  target: Target,
) => Promise<RestResponse> | RestResponse;

interface Route {
  readonly method: 'GET' | 'POST';
  readonly answer: Answer;
}

const ok = (body: unknown, verb: string, servable?: Servable): RestResponse => ({
  status: 200,
  headers: json,
  body: JSON.stringify(body),
  verb,
  ...(servable && { model: servable.model, version: servable.version }),
});

const tensorMetadata = ({ name, dtype, shape }: Servable['signature']['inputs'][number]) => ({
  name,
  datatype: openInferenceNames[dtype],
  shape,
});

function modelMetadata(dataPlane: DataPlane, target: Target): RestResponse {
  const servable = dataPlane.look(target);
  const { inputs, outputs } = servable.signature;
  const versions = [...dataPlane.model(target.model).versions.keys()].map(String);
  return ok(
    {
      name: servable.model,
      versions,
      platform: openInferencePlatform,
      inputs: inputs.map(tensorMetadata),
      outputs: outputs.map(tensorMetadata),
      ...(servable.processor && { processing: declaredProcessing(servable.manifest) }),
    },
    'metadata',
    servable,
  );
}

async function infer(request: RestRequest, dataPlane: DataPlane, target: Target): Promise<RestResponse> {
  const servable = dataPlane.find(target);
  try {
    const jsonLength = request.headers[jsonLengthHeader] as string | undefined;
    const wanted = readInferRequest(servable, await request.body(), jsonLength, dataPlane.nonFinite);
    const { outputs: requested, timeoutMs } = wanted.head;
    const inference = await dataPlane.infer(servable, wanted.inputs, {
      signal: request.signal,
      outputs: requested?.map(({ name }) => name),
      deadlineMs: timeoutMs === undefined ? undefined : performance.now() + timeoutMs,
    });
    const outputs = inference.outputs.map((output, index) => {
      const classes = requested?.[index]?.classification ?? 0;
      return classes > 0 ? classified(inference.servable, output, classes) : output;
    });
    const { headers, body } = writeInferResponse(inference, wanted.head, outputs, dataPlane.nonFinite);
    return {
      status: 200,
      headers,
      body,
      model: servable.model,
      version: inference.servable.version,
      verb: 'infer',
    };
  } catch (error) {
    const isOfInput =
      error instanceof ServingError &&
      (error.code === 'SERVING_BAD_INPUT' || error.code === 'SERVING_BAD_JSON');
    throw isOfInput ? new ServingError(error.code, error.message, exampleInfer(servable)) : error;
  }
}

/** What can be asked of a model. */
const modelRoutes: Readonly<Record<string, Route>> = {
  '': { method: 'GET', answer: (_request, dataPlane, target) => modelMetadata(dataPlane, target) },
  ready: {
    method: 'GET',
    answer: (_request, dataPlane, target) =>
      ok({ name: target.model, ready: true }, 'ready', dataPlane.look(target)),
  },
  infer: { method: 'POST', answer: infer },
  stats: { method: 'GET', answer: (_request, dataPlane, target) => statistics(dataPlane, target) },
};

/** What can be asked of the server. */
const serverRoutes: Readonly<Record<string, Route>> = {
  '': {
    method: 'GET',
    answer: () =>
      ok({ name: 'modelmile', version: serverVersion, extensions: openInferenceExtensions }, 'metadata'),
  },
  'health/live': { method: 'GET', answer: () => ok({ live: true }, 'health') },
  // A 4xx says that it is not, by the protocol; it is no failure that an alert should count.
  'health/ready': {
    method: 'GET',
    answer: (_request, { isReady }) => ({ ...ok({ ready: isReady }, 'health'), status: isReady ? 200 : 400 }),
  },
  'models/stats': { method: 'GET', answer: (_request, dataPlane) => statistics(dataPlane) },
};

const modelPath = /^models\/([^/]+)(?:\/versions\/([^/]+))?(?:\/([^/]+))?$/;

const find = remembering((path): { route: Route; target: Target } | undefined => {
  const server = Object.hasOwn(serverRoutes, path) ? serverRoutes[path] : undefined;
  if (server) return { route: server, target: { model: '' } };
  const found = modelPath.exec(path);
  const verb = found?.[3] ?? '';
  const route = Object.hasOwn(modelRoutes, verb) ? modelRoutes[verb] : undefined;
  if (!found || !route) return undefined;
  const [, name = '', version] = found;
  if (version !== undefined && !/^\d+$/.test(version)) {
    throw new ServingError('SERVING_BAD_REQUEST', `'${version}' is no version: versions are numbers`);
  }
  const target = { model: decodeSegment(name), version: version === undefined ? undefined : Number(version) };
  return { route, target };
});

/** A path without what all have in common. */
const pathBelow = remembering((path) => path.replace(/^\/v2\/?/, '').replace(/\/$/, ''));

function answer(request: RestRequest, dataPlane: DataPlane): Promise<RestResponse> | RestResponse {
  const path = pathBelow(request.path);
  const repository = answerRepository(path, request, dataPlane);
  if (repository) return repository;
  const found = find(path);
  if (!found) throw new ServingError('SERVING_NO_ROUTE', `There is nothing at ${request.path}`);
  if (found.route.method !== request.method) {
    throw new ServingError('SERVING_METHOD_NOT_ALLOWED', `${request.path} answers ${found.route.method}`);
  }
  return found.route.answer(request, dataPlane, found.target);
}

/**
 * The Open Inference Protocol v2 over REST with its binary tensor, classification, statistics and repository extensions.
 * @see https://github.com/kserve/open-inference-protocol
 */
export const openInferenceRest: RestProtocol = {
  handle: (request, dataPlane) => (/^\/v2(\/|$)/.test(request.path) ? answer(request, dataPlane) : undefined),
  error: (message) => JSON.stringify({ error: message }),
};
