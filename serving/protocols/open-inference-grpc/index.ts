import type { MessageInitShape } from '@bufbuild/protobuf';
import type { TensorSpec } from '../../../conversion/manifest/index.ts';
import type { DataPlane } from '../../dataplane.ts';
import { ServingError } from '../../errors.ts';
import type { Target } from '../../models.ts';
import type { DurationTotal } from '../../server-control.ts';
import { version as serverVersion } from '../../version.ts';
import {
  classified,
  openInferenceExtensions,
  openInferenceNames,
  openInferencePlatform,
} from '../../wire/open-inference.ts';
import { type GrpcAnswer, type GrpcCall, type GrpcProtocol, grpcService } from '../protocol.ts';
import {
  GRPCInferenceService,
  type InferParameter,
  type ModelInferRequest,
  type ModelInferResponseSchema,
} from './generated/open_inference_pb.js';
import { contentsOf, tensorsFromRequest } from './tensor.ts';

type Parameters = Readonly<Record<string, InferParameter>>;

const numberOf = (parameters: Parameters, name: string): number =>
  Number(parameters[name]?.parameterChoice.value ?? 0) || 0;

function targetOf(model: string, version: string): Target {
  if (version !== '' && !/^\d+$/.test(version)) {
    throw new ServingError('SERVING_BAD_REQUEST', `'${version}' is no version: versions are numbers`);
  }
  return { model, version: version === '' ? undefined : Number(version) };
}

/** Not ready and unknown are answers here, not errors. */
function isReady(dataPlane: DataPlane, model: string, version: string): boolean {
  try {
    return dataPlane.look(targetOf(model, version)) !== undefined;
  } catch (error) {
    if (error instanceof ServingError) return false;
    throw error;
  }
}

async function modelInfer(
  request: ModelInferRequest,
  call: GrpcCall,
): Promise<GrpcAnswer<MessageInitShape<typeof ModelInferResponseSchema>>> {
  const servable = call.dataPlane.find(targetOf(request.modelName, request.modelVersion));
  // Triton's parameter, in microseconds.
  const timeoutMs = numberOf(request.parameters, 'timeout') / 1000;
  const deadlineMs = timeoutMs > 0 ? performance.now() + timeoutMs : Number.POSITIVE_INFINITY;
  const inference = await call.dataPlane.infer(servable, tensorsFromRequest(request), {
    signal: call.signal,
    outputs: request.outputs.length > 0 ? request.outputs.map(({ name }) => name) : undefined,
    deadlineMs: timeoutMs > 0 ? Math.min(deadlineMs, call.deadlineMs ?? deadlineMs) : call.deadlineMs,
  });
  const outputs = inference.outputs.map((output, index) => {
    const count = numberOf(request.outputs[index]?.parameters ?? {}, 'classification');
    return count > 0 ? classified(inference.servable, output, count) : output;
  });
  return {
    message: {
      modelName: inference.servable.model,
      modelVersion: String(inference.servable.version),
      id: request.id,
      ...contentsOf(outputs, request.rawInputContents.length > 0),
    },
    predictionId: inference.predictionId,
    model: inference.servable.model,
    version: inference.servable.version,
    verb: 'infer',
  };
}

const tensorMetadata = ({ name, dtype, shape }: TensorSpec) => ({
  name,
  datatype: openInferenceNames[dtype],
  shape: shape.map(BigInt),
});

const duration = ({ count, seconds }: DurationTotal) => ({
  count: BigInt(count),
  ns: BigInt(Math.round(seconds * 1e9)),
});

const inferenceService = grpcService(
  GRPCInferenceService,
  {
    serverLive: async () => ({ message: { live: true }, verb: 'health' }),
    serverReady: async (_request, { dataPlane }) => ({
      message: { ready: dataPlane.isReady },
      verb: 'health',
    }),
    modelReady: async ({ name, version }, { dataPlane }) => ({
      message: { ready: isReady(dataPlane, name, version) },
      verb: 'ready',
    }),
    serverMetadata: async () => ({
      message: { name: 'modelmile', version: serverVersion, extensions: [...openInferenceExtensions] },
      verb: 'metadata',
    }),

    async modelMetadata({ name, version }, { dataPlane }) {
      const servable = dataPlane.look(targetOf(name, version));
      return {
        message: {
          name: servable.model,
          versions: [...dataPlane.model(name).versions.keys()].map(String),
          platform: openInferencePlatform,
          inputs: servable.signature.inputs.map(tensorMetadata),
          outputs: servable.signature.outputs.map(tensorMetadata),
        },
        model: servable.model,
        version: servable.version,
        verb: 'metadata',
      };
    },

    modelInfer,

    async modelStatistics({ name, version }, { dataPlane }) {
      const statistics = await dataPlane.statistics(name === '' ? undefined : targetOf(name, version));
      return {
        message: {
          modelStats: statistics.map((each) => ({
            name: each.model,
            version: String(each.version),
            inferenceCount: BigInt(each.rows),
            executionCount: BigInt(each.runs),
            inferenceStats: {
              success: duration(each.success),
              fail: duration(each.fail),
              queue: duration(each.queue),
              computeInfer: duration(each.infer),
            },
          })),
        },
        verb: 'statistics',
      };
    },

    async repositoryIndex({ ready: wantsReady }, { dataPlane }) {
      const entries = (await dataPlane.repository()).filter(({ ready }) => ready || !wantsReady);
      const models = entries.map(({ name, version, ready, reason }) => ({
        name,
        version,
        state: ready ? 'READY' : 'UNAVAILABLE',
        reason,
      }));
      return { message: { models }, verb: 'repository' };
    },

    // KServe's clients put the model's name where Triton's put the repository's.
    async repositoryModelLoad({ modelName, repositoryName }, { dataPlane }) {
      const model = modelName || repositoryName;
      await dataPlane.load(model);
      return { message: { modelName: model, isLoaded: true }, verb: 'repository' };
    },

    async repositoryModelUnload({ modelName, repositoryName }, { dataPlane }) {
      const model = modelName || repositoryName;
      await dataPlane.unload(model);
      return { message: { modelName: model, isUnloaded: true }, verb: 'repository' };
    },
  },
  {
    methods: {
      modelStreamInfer: async (request: ModelInferRequest, call) => {
        const { message, ...rest } = await modelInfer(request, call);
        return { message: { inferResponse: message }, ...rest };
      },
    },
    streamErrors: { modelStreamInfer: (errorMessage) => ({ errorMessage }) },
  },
);

/**
 * The Open Inference Protocol v2 over gRPC with its statistics, classification and repository extensions and streams.
 * @see https://github.com/kserve/open-inference-protocol
 */
export const openInferenceGrpc: GrpcProtocol = { services: [inferenceService] };
