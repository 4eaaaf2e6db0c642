import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { defaultSignatureName, type TensorSpec } from '../../../conversion/manifest/index.ts';
import { classesOf, regressionsOf } from '../../classification.ts';
import type { DataPlane } from '../../dataplane.ts';
import type { Servable } from '../../engine/servable.ts';
import { ServingError } from '../../errors.ts';
import { type Example, type FeatureValue, inputsOfExamples } from '../../examples.ts';
import type { Inference } from '../../inference.ts';
import { type GrpcAnswer, type GrpcCall, type GrpcProtocol, grpcService } from '../protocol.ts';
import {
  type ClassificationResultSchema,
  type Example as ExampleProto,
  type Input,
  ModelService,
  type ModelSpec,
  type ModelSpecSchema,
  ModelVersionStatus_State,
  PredictionService,
  type RegressionResultSchema,
  SignatureDefMapSchema,
  type TensorInfoSchema,
} from './generated/tensorflow_serving_pb.js';
import { modelsOf } from './reload-config.ts';
import { dataTypeOf, protoFromTensor, tensorsFromProtos } from './tensor.ts';

const methodNames = {
  predict: 'tensorflow/serving/predict',
  classify: 'tensorflow/serving/classify',
  regress: 'tensorflow/serving/regress',
} as const;

function servableOf(
  dataPlane: DataPlane,
  spec: ModelSpec | undefined,
  how: 'find' | 'look' = 'find',
): Servable {
  if (!spec?.name)
    throw new ServingError('SERVING_BAD_REQUEST', 'Missing ModelSpec: model_spec.name names the model');
  const signature = spec.signatureName || defaultSignatureName;
  const choice = spec.versionChoice;
  const servable = dataPlane[how]({
    model: spec.name,
    version: choice.case === 'version' ? Number(choice.value.value) : undefined,
    label: choice.case === 'versionLabel' ? choice.value : undefined,
  });
  if (signature === defaultSignatureName) return servable;
  throw new ServingError(
    'SERVING_BAD_SIGNATURE',
    `Serving signature name: "${signature}" not found in signature def`,
  );
}

function specOf({ model, version }: Servable): MessageInitShape<typeof ModelSpecSchema> {
  return {
    name: model,
    versionChoice: { case: 'version', value: { value: BigInt(version) } },
    signatureName: defaultSignatureName,
  };
}

function answerOf<Message>(
  { servable, predictionId }: Inference,
  verb: string,
  message: Message,
): GrpcAnswer<Message> {
  return { message, predictionId, model: servable.model, version: servable.version, verb };
}

function featureValues(example: ExampleProto): Map<string, readonly FeatureValue[]> {
  return new Map(
    Object.entries(example.features?.feature ?? {}).map(([name, { kind }]) => [
      name,
      kind.value?.value ?? [],
    ]),
  );
}

function examplesOf(input: Input | undefined): Example[] {
  const kind = input?.kind;
  if (kind?.case === undefined) return [];
  const context =
    kind.case === 'exampleListWithContext' && kind.value.context ? featureValues(kind.value.context) : [];
  return kind.value.examples.map((example) => new Map([...context, ...featureValues(example)]));
}

async function runExamples(
  spec: ModelSpec | undefined,
  input: Input | undefined,
  call: GrpcCall,
): Promise<Inference> {
  const servable = servableOf(call.dataPlane, spec);
  return call.dataPlane.infer(servable, inputsOfExamples(servable, examplesOf(input)), {
    ...call,
    asTensors: true,
  });
}

function classification({
  servable,
  outputs,
}: Inference): MessageInitShape<typeof ClassificationResultSchema> {
  const rows = classesOf(servable, outputs);
  return {
    classifications: rows.map((row) => ({ classes: row.map(({ label, score }) => ({ label, score })) })),
  };
}

function regression({ servable, outputs }: Inference): MessageInitShape<typeof RegressionResultSchema> {
  return { regressions: regressionsOf(servable, outputs).map((value) => ({ value })) };
}

const tensorInfo = ({ name, dtype, shape }: TensorSpec): MessageInitShape<typeof TensorInfoSchema> => ({
  name: `${name}:0`,
  dtype: dataTypeOf(dtype),
  tensorShape: { dim: shape.map((size) => ({ size: BigInt(size) })) },
});

const infosOf = (specs: readonly TensorSpec[]) =>
  Object.fromEntries(specs.map((spec) => [spec.name, tensorInfo(spec)]));

const predictionService = grpcService(PredictionService, {
  async predict(request, call) {
    const servable = servableOf(call.dataPlane, request.modelSpec);
    const inputs = tensorsFromProtos(request.inputs);
    const outputs = request.outputFilter.length > 0 ? request.outputFilter : undefined;
    const inference = await call.dataPlane.infer(servable, inputs, { ...call, outputs });
    return answerOf(inference, 'predict', {
      modelSpec: specOf(inference.servable),
      outputs: Object.fromEntries(inference.outputs.map((output) => [output.name, protoFromTensor(output)])),
    });
  },

  async classify(request, call) {
    const inference = await runExamples(request.modelSpec, request.input, call);
    const message = { modelSpec: specOf(inference.servable), result: classification(inference) };
    return answerOf(inference, 'classify', message);
  },

  async regress(request, call) {
    const inference = await runExamples(request.modelSpec, request.input, call);
    return answerOf(inference, 'regress', {
      modelSpec: specOf(inference.servable),
      result: regression(inference),
    });
  },

  async multiInference(request, call) {
    if (request.tasks.length === 0) throw new ServingError('SERVING_BAD_REQUEST', 'There are no tasks');
    let last: Inference | undefined;
    const results = [];
    for (const { modelSpec, methodName } of request.tasks) {
      if (methodName !== methodNames.classify && methodName !== methodNames.regress) {
        throw new ServingError('SERVING_UNIMPLEMENTED', `Unsupported signature method_name: ${methodName}`);
      }
      const servable = servableOf(call.dataPlane, modelSpec);
      const inference =
        last?.servable === servable ? last : await runExamples(modelSpec, request.input, call);
      last = inference;
      results.push({
        modelSpec: specOf(inference.servable),
        result:
          methodName === methodNames.classify
            ? { case: 'classificationResult' as const, value: classification(inference) }
            : { case: 'regressionResult' as const, value: regression(inference) },
      });
    }
    return answerOf(last as Inference, 'multi_inference', { results });
  },

  async getModelMetadata(request, { dataPlane }) {
    const servable = servableOf(dataPlane, request.modelSpec, 'look');
    if (!request.metadataField.includes('signature_def')) {
      throw new ServingError('SERVING_BAD_REQUEST', "metadata_field must hold 'signature_def'");
    }
    const signatureDef = Object.fromEntries(
      Object.entries(servable.manifest.signatures).map(([name, { inputs, outputs }]) => [
        name,
        { inputs: infosOf(inputs), outputs: infosOf(outputs), methodName: methodNames.predict },
      ]),
    );
    return {
      message: {
        modelSpec: specOf(servable),
        metadata: {
          signature_def: anyPack(SignatureDefMapSchema, create(SignatureDefMapSchema, { signatureDef })),
        },
      },
      model: servable.model,
      version: servable.version,
      verb: 'metadata',
    };
  },
});

const modelService = grpcService(ModelService, {
  async getModelStatus({ modelSpec }, { dataPlane }) {
    const model = modelSpec?.name ?? '';
    const choice = modelSpec?.versionChoice;
    const chosen =
      modelSpec && choice?.case !== undefined ? servableOf(dataPlane, modelSpec, 'look').version : undefined;
    const versions = dataPlane
      .status(model)
      .filter(({ version }) => chosen === undefined || version === chosen);
    return {
      message: {
        modelVersionStatus: versions.map(({ version, state, message }) => ({
          version: BigInt(version),
          state: ModelVersionStatus_State[state],
          // OK, or UNKNOWN with what went wrong.
          status: { errorCode: message === '' ? 0 : 2, errorMessage: message },
        })),
      },
      model,
      verb: 'status',
    };
  },

  async handleReloadConfigRequest(request, { dataPlane }) {
    await dataPlane.configure(modelsOf(request));
    return { message: { status: { errorCode: 0, errorMessage: '' } }, verb: 'reload' };
  },
});

/**
 * TensorFlow Serving's gRPC services.
 * @see https://github.com/tensorflow/serving/tree/master/tensorflow_serving/apis
 */
export const tensorflowGrpc: GrpcProtocol = { services: [predictionService, modelService] };
