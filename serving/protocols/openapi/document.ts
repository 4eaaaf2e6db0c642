import * as z from 'zod';
import { classesOf, regressionsOf } from '../../classification.ts';
import { FeedbackRequest, predictionIdHeader } from '../../contract/index.ts';
import type { Servable } from '../../engine/servable.ts';
import { allocate, countOf, type TensorValue } from '../../engine/tensor.ts';
import { exampleRow } from '../../example.ts';
import { version as serverVersion } from '../../version.ts';
import { openInferenceNames } from '../../wire/open-inference.ts';
import { processedInfer, processedRow } from './processed.ts';
import {
  errorSchema,
  examplesRequest,
  inferRequest,
  inferResponse,
  laterState,
  list,
  modelMetadata,
  modelStatus,
  object,
  predictRequest,
  predictResponse,
  type Schema,
  text,
} from './schemas.ts';

interface Body {
  readonly schema: Schema;
  readonly example: unknown;
}

const json = (schema: Schema, example?: unknown) => ({
  'application/json': { schema, ...(example !== undefined && { example }) },
});

const refusals = Object.fromEntries(
  ['400', '401', '403', '404', '409', '413', '429', '503', '504'].map((status) => [
    status,
    { description: 'Refused; the text says why and what to do.', content: json(errorSchema) },
  ]),
);

const predictionId = {
  [predictionIdHeader]: {
    description: 'UUIDv7 of the answer, for feedback.',
    schema: { type: 'string', format: 'uuid' },
  },
};

function operation(id: string, summary: string, answer: Schema, body?: Body, isPrediction = false) {
  return {
    operationId: id,
    summary,
    ...(body && { requestBody: { required: true, content: json(body.schema, body.example) } }),
    responses: {
      '200': {
        description: 'Answered.',
        content: json(answer),
        ...(isPrediction && { headers: predictionId }),
      },
      ...refusals,
    },
  };
}

/** Whether outputs of the signature's shape can be read as classes, or as one value a row. */
function gives(
  servable: Servable,
  read: (servable: Servable, outputs: readonly TensorValue[]) => unknown,
): boolean {
  const outputs = servable.signature.outputs.map(({ name, dtype, shape }) => {
    const sizes = shape.map((size) => (size < 0 ? 1 : size));
    return { name, dtype, shape: sizes, data: allocate(dtype, countOf(sizes)) };
  });
  try {
    read(servable, outputs);
    return servable.batchable;
  } catch {
    return false;
  }
}

const sample = (dtype: string): unknown => (dtype === 'string' ? '' : dtype === 'bool' ? false : 0);

function exampleInfer({ signature }: Servable) {
  return {
    inputs: signature.inputs.map(({ name, dtype, shape }) => {
      const sizes = shape.map((size) => (size < 0 ? 1 : size));
      return {
        name,
        shape: sizes,
        datatype: openInferenceNames[dtype],
        data: Array(countOf(sizes)).fill(sample(dtype)),
      };
    }),
  };
}

function exampleExamples({ signature }: Servable) {
  const features = signature.inputs.map(({ name, dtype, shape }) => {
    const size = countOf(shape.slice(1).map((each) => Math.max(each, 1)));
    return [name, Array(size).fill(sample(dtype))];
  });
  return { examples: [Object.fromEntries(features)] };
}

/** The same requests, answered later. */
function asyncPaths(name: string, predict: Body, infer: Body) {
  const submit = (id: string, body: Body) => {
    const { responses, ...rest } = operation(id, 'Takes a request to be answered later', laterState, body);
    return { post: { ...rest, responses: { '202': responses['200'], ...refusals } } };
  };
  const id = { name: 'id', in: 'path', required: true, schema: { type: 'string', format: 'uuid' } };
  const ofRequest = (operationId: string, summary: string, answer: Schema) => ({
    ...operation(operationId, summary, answer),
    parameters: [id],
  });
  return {
    [`/async/v1/models/${name}:predict`]: submit('predictLater', predict),
    [`/async/v2/models/${name}/infer`]: submit('inferLater', infer),
    '/async/requests/{id}': {
      get: ofRequest('laterState', 'Where a request is', laterState),
      delete: ofRequest('cancelLater', 'Gives a request up', laterState),
    },
    '/async/requests/{id}/result': {
      get: ofRequest('laterResult', 'What the request would have been answered at once', { type: 'object' }),
    },
  };
}

/**
 * OpenAPI 3.1 of what can be asked of one model over HTTP, made from its signature.
 * @see https://spec.openapis.org/oas/v3.1.0
 */
export function openApiDocument(servable: Servable, takesAsync: boolean): Record<string, unknown> {
  const { model, version, signature, manifest } = servable;
  const { inputs, outputs } = signature;
  const { processor } = servable;
  const told = processor?.outputs ?? outputs;
  const everyOutput = [...outputs, ...told.filter(({ name }) => !outputs.some((each) => each.name === name))];
  const name = encodeURIComponent(model);
  const predict: Body = {
    schema: predictRequest(inputs, processor && processedRow(inputs, processor)),
    example: exampleRow(servable),
  };
  const examples: Body = {
    schema: examplesRequest(inputs, processor && processedRow(inputs, processor)),
    example: exampleExamples(servable),
  };
  const infer: Body = {
    schema: inferRequest(inputs, everyOutput, processor && processedInfer(inputs, processor)),
    example: exampleInfer(servable),
  };
  const feedback: Body = {
    schema: z.toJSONSchema(FeedbackRequest, { io: 'input' }) as Schema,
    example: { predictionId: '00000000-0000-7000-8000-000000000000', label: 0 },
  };
  // Label and score; `prefixItems` would say it better, to the few readers that know it.
  const scored = list({ anyOf: [text, { type: 'number' }] }, 2);
  const classified = object({ results: list(list(scored)) });
  const regressed = object({ results: list({ type: 'number' }) });
  const labels = manifest.labels
    ? ` Classes: ${manifest.labels.slice(0, 20).join(', ')}${manifest.labels.length > 20 ? ', …' : ''}.`
    : '';
  return {
    openapi: '3.1.0',
    info: {
      title: model,
      version: String(version),
      description: `Model ${model}, version ${version}, served by modelmile ${serverVersion}.${labels}`,
    },
    servers: [{ url: '/' }],
    paths: {
      [`/v1/models/${name}:predict`]: {
        post: operation(
          'predict',
          "TensorFlow Serving's predict",
          predictResponse(outputs, told),
          predict,
          true,
        ),
      },
      ...(gives(servable, classesOf) && {
        [`/v1/models/${name}:classify`]: {
          post: operation('classify', 'Every class with its score', classified, examples, true),
        },
      }),
      ...(gives(servable, regressionsOf) && {
        [`/v1/models/${name}:regress`]: {
          post: operation('regress', 'One value a row', regressed, examples, true),
        },
      }),
      [`/v1/models/${name}:feedback`]: {
        post: operation(
          'feedback',
          'What was right about a prediction',
          object({ feedbackId: text }),
          feedback,
        ),
      },
      [`/v1/models/${name}:reload`]: {
        post: operation(
          'reload',
          'Looks for new versions in the repository',
          object({ changed: { type: 'boolean' } }),
        ),
      },
      [`/v1/models/${name}`]: { get: operation('status', 'State of the versions', modelStatus) },
      [`/v1/models/${name}/metadata`]: { get: operation('signatures', 'Signatures', { type: 'object' }) },
      [`/v2/models/${name}`]: { get: operation('metadata', 'Inputs and outputs', modelMetadata) },
      [`/v2/models/${name}/ready`]: { get: operation('ready', 'Whether it answers', { type: 'object' }) },
      [`/v2/models/${name}/infer`]: {
        post: operation(
          'infer',
          "The Open Inference Protocol's infer",
          inferResponse(everyOutput),
          infer,
          true,
        ),
      },
      [`/v2/models/${name}/stats`]: {
        get: operation('statistics', 'What it has answered', { type: 'object' }),
      },
      ...(takesAsync && asyncPaths(name, predict, infer)),
    },
  };
}
