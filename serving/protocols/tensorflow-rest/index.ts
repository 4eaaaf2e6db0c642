import { declaredProcessing, type TensorSpec } from '../../../conversion/manifest/index.ts';
import { FeedbackRequest } from '../../contract/index.ts';
import type { DataPlane } from '../../dataplane.ts';
import type { Servable } from '../../engine/servable.ts';
import { ServingError } from '../../errors.ts';
import type { Inference } from '../../inference.ts';
import type { Target } from '../../models.ts';
import { tensorflowNames } from '../../wire/tensorflow.ts';
import { decodeSegment, remembering } from '../path.ts';
import type { RestProtocol, RestRequest, RestResponse } from '../protocol.ts';
import { parseExamples, renderClasses, renderRegressions } from './examples.ts';
import { parsePredict, renderPredict } from './predict.ts';

const json = { 'content-type': 'application/json' };

/** TensorFlow Serving's paths are matched without regard to case. */
const pathPattern =
  /^\/v1\/models(?:\/([^/:]+))?(?:\/versions\/(\d+))?(?:\/labels\/([^/:]+))?(?:\/(metadata))?(?::([a-z]+))?\/?$/i;

interface Matched extends Target {
  readonly metadata: boolean;
  readonly verb: string | undefined;
}

type Verb = (matched: Matched, request: RestRequest, dataPlane: DataPlane) => Promise<RestResponse>;

function answered({ servable }: Inference, verb: string, body: string): RestResponse {
  return {
    status: 200,
    headers: json,
    body,
    model: servable.model,
    version: servable.version,
    verb,
  };
}

async function predict(matched: Matched, request: RestRequest, dataPlane: DataPlane): Promise<RestResponse> {
  const servable = dataPlane.find(matched);
  const { form, inputs } = parsePredict(servable, await request.body(), dataPlane.nonFinite);
  const inference = await dataPlane.infer(servable, inputs, { signal: request.signal });
  const { outputs, rows } = inference;
  return answered(inference, 'predict', renderPredict(form, outputs, rows, dataPlane.nonFinite));
}

/** `:classify` and `:regress` differ in what they make of the outputs. */
function ofExamples(verb: string, render: typeof renderClasses): Verb {
  return async (matched, request, dataPlane) => {
    const servable = dataPlane.find(matched);
    const inputs = parseExamples(servable, await request.body(), dataPlane.nonFinite);
    const inference = await dataPlane.infer(servable, inputs, { signal: request.signal, asTensors: true });
    return answered(inference, verb, render(inference, dataPlane.nonFinite));
  };
}

async function feedback(matched: Matched, request: RestRequest, dataPlane: DataPlane): Promise<RestResponse> {
  let body: unknown;
  try {
    body = JSON.parse((await request.body()).toString('utf8'));
  } catch (error) {
    if (error instanceof ServingError) throw error;
    throw new ServingError('SERVING_BAD_JSON', `JSON Parse error: ${(error as Error).message}`);
  }
  const parsed = FeedbackRequest.safeParse(body);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'body'}: ${issue.message}`);
    const example = '{"predictionId":"<the header x-modelmile-prediction-id of an answer>","label":3}';
    throw new ServingError('SERVING_BAD_REQUEST', `Feedback: ${faults.join('; ')}`, example);
  }
  const { feedbackId } = await dataPlane.feedback(matched.model, parsed.data);
  return {
    status: 200,
    headers: json,
    body: JSON.stringify({ feedbackId }),
    model: matched.model,
    verb: 'feedback',
  };
}

/** Not TensorFlow Serving's: the repository may have a new version, and nobody has to wait for the next look at it. */
async function reload(
  { model }: Matched,
  _request: RestRequest,
  dataPlane: DataPlane,
): Promise<RestResponse> {
  const changed = await dataPlane.reload(model);
  return { status: 200, headers: json, body: JSON.stringify({ changed }), model, verb: 'reload' };
}

/** What can be asked of a model, after the colon. A map: an object knows words like `constructor` too. */
const verbs: ReadonlyMap<string, Verb> = new Map([
  ['predict', predict],
  ['classify', ofExamples('classify', renderClasses)],
  ['regress', ofExamples('regress', renderRegressions)],
  ['feedback', feedback],
  ['reload', reload],
]);

function status(matched: Matched, dataPlane: DataPlane): RestResponse {
  const chosen =
    matched.version === undefined && matched.label === undefined
      ? undefined
      : dataPlane.look(matched).version;
  const versions = dataPlane
    .status(matched.model)
    .filter(({ version }) => chosen === undefined || version === chosen)
    .map(({ version, state, message }) => ({
      version: String(version),
      state,
      status: { error_code: message === '' ? 'OK' : 'UNKNOWN', error_message: message },
    }));
  return {
    status: 200,
    headers: json,
    body: JSON.stringify({ model_version_status: versions }),
    model: matched.model,
    verb: 'status',
  };
}

const tensorInfo = (spec: TensorSpec) => ({
  dtype: tensorflowNames[spec.dtype],
  tensor_shape: { dim: spec.shape.map((size) => ({ size: String(size), name: '' })), unknown_rank: false },
  name: `${spec.name}:0`,
});

function metadata(servable: Servable): RestResponse {
  const signatureDef = Object.fromEntries(
    Object.entries(servable.manifest.signatures).map(([name, { inputs, outputs }]) => [
      name,
      {
        inputs: Object.fromEntries(inputs.map((spec) => [spec.name, tensorInfo(spec)])),
        outputs: Object.fromEntries(outputs.map((spec) => [spec.name, tensorInfo(spec)])),
        method_name: 'tensorflow/serving/predict',
      },
    ]),
  );
  const body = {
    model_spec: { name: servable.model, signature_name: '', version: String(servable.version) },
    metadata: {
      signature_def: { signature_def: signatureDef },
      ...(servable.processor && { processing: declaredProcessing(servable.manifest) }),
    },
  };
  return {
    status: 200,
    headers: json,
    body: JSON.stringify(body),
    model: servable.model,
    version: servable.version,
    verb: 'metadata',
  };
}

const match = remembering((path): Matched | undefined => {
  const found = pathPattern.exec(path);
  if (found === null) return undefined;
  const [, model, version, label, meta, verb] = found;
  if (model === undefined) throw new ServingError('SERVING_BAD_REQUEST', 'Missing model name in request.');
  return {
    model: decodeSegment(model),
    version: version === undefined ? undefined : Number(version),
    label: label === undefined ? undefined : decodeSegment(label),
    metadata: meta !== undefined,
    verb: verb?.toLowerCase(),
  };
});

function answer(request: RestRequest, dataPlane: DataPlane): Promise<RestResponse> | RestResponse {
  const matched = match(request.path);
  if (matched === undefined) {
    throw new ServingError('SERVING_BAD_REQUEST', `Malformed request: ${request.method} ${request.path}`);
  }
  if (request.method === 'GET' && matched.verb === undefined) {
    return matched.metadata ? metadata(dataPlane.look(matched)) : status(matched, dataPlane);
  }
  const verb = request.method === 'POST' ? verbs.get(matched.verb ?? '') : undefined;
  if (verb === undefined) {
    throw new ServingError('SERVING_BAD_REQUEST', `Malformed request: ${request.method} ${request.path}`);
  }
  return verb(matched, request, dataPlane);
}

/**
 * TensorFlow Serving's REST API, with `:feedback` beside its verbs and the source's request form.
 * @see https://www.tensorflow.org/tfx/serving/api_rest
 */
export const tensorflowRest: RestProtocol = {
  handle: (request, dataPlane) =>
    /^\/v1\/models(\/|:|$)/i.test(request.path) ? answer(request, dataPlane) : undefined,
  error: (message) => JSON.stringify({ error: message }),
};
