import { type CustomLayers, readCustomLayers } from './custom-layers.ts';
import { ConversionError, type ConversionErrorCode, ofSound } from './errors.ts';
import { type KerasModel, layerName, layersOf } from './keras/model.ts';
import { isConvertible, kerasToOnnx } from './keras/to-onnx.ts';
import { elementCount, opsetOf, signatureOf } from './onnx/index.ts';
import { identify, readSource } from './readers/index.ts';
import type { OnnxSource, SourceModel, TfliteSource } from './readers/reader.ts';
import { type RuntimeRefusal, runtimeRefusal } from './verify/unknown-operations.ts';

/** One row of what a model consists of. */
export interface InspectedLayer {
  readonly name: string;
  /** Keras class, or ONNX or TFLite operator. */
  readonly kind: string;
  readonly parameters: number;
  readonly supported: boolean;
}

/** What `modelmile inspect` shows, before any work is done. */
export interface Inspection {
  readonly format: string;
  readonly dialect: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly parameters: number;
  readonly layers: readonly InspectedLayer[];
  /** Everything that stands in the way of a conversion; empty where nothing does. */
  readonly unsupported: readonly string[];
}

const rowsOf = {
  keras: (model: KerasModel, custom: CustomLayers): InspectedLayer[] =>
    layersOf(model.config).map((layer) => ({
      name: layerName(layer),
      kind: layer.class_name,
      parameters: (model.weights.get(layerName(layer)) ?? []).reduce(
        (sum, { shape }) => sum + elementCount(shape),
        0,
      ),
      supported: isConvertible(layer, model.dialect, custom),
    })),
  onnx: ({ model }: OnnxSource, { knows }: RuntimeRefusal): InspectedLayer[] =>
    (model.graph?.node ?? []).map((node) => ({
      name: node.name,
      kind: node.opType,
      parameters: (model.graph?.initializer ?? [])
        .filter((tensor) => node.input.includes(tensor.name))
        .reduce((sum, tensor) => sum + elementCount(tensor.dims), 0),
      supported: knows(node),
    })),
  tflite: async ({ file }: TfliteSource): Promise<InspectedLayer[]> => {
    const { isKnownOperator } = await import('./tflite/index.ts');
    return file.subgraphs.flatMap(({ operators, tensors }) =>
      operators.map(({ operator, inputs, outputs }) => ({
        name: tensors[outputs[0] ?? -1]?.name ?? '',
        kind: operator,
        parameters: inputs.reduce((sum, index) => sum + (tensors[index]?.data?.length ?? 0), 0),
        supported: isKnownOperator(operator),
      })),
    );
  },
};

async function rows(
  model: SourceModel,
  custom: CustomLayers,
  refusal: RuntimeRefusal,
): Promise<InspectedLayer[]> {
  if (model.kind === 'keras') return rowsOf.keras(model, custom);
  return model.kind === 'onnx' ? rowsOf.onnx(model, refusal) : rowsOf.tflite(model);
}

/** Refusals whose way out is to inspect the model. */
const sendsHere: readonly ConversionErrorCode[] = ['CONVERSION_UNSUPPORTED', 'CONVERSION_UNSUPPORTED_LAYER'];

/** Of sources that the runtime does not run. */
const unasked: RuntimeRefusal = { knows: () => true, reasons: [] };

/** What each class leaves open: an option that is not covered, where all the classes are known. */
async function refusalOf(path: string, model: SourceModel, custom: CustomLayers): Promise<string[]> {
  try {
    if (model.kind === 'keras') await ofSound(path, () => kerasToOnnx(model, custom));
    if (model.kind === 'onnx') signatureOf(model.model, path);
    return [];
  } catch (error) {
    if (!(error instanceof ConversionError)) throw error;
    return [sendsHere.includes(error.code) ? error.what : error.message];
  }
}

/**
 * @param customPath module with layers of the user's own, as for a conversion
 * @throws ConversionError where the source is damaged or in no known format.
 */
export async function inspect(path: string, customPath?: string): Promise<Inspection> {
  const custom = customPath === undefined ? {} : await readCustomLayers(customPath);
  const source = await identify(path);
  const { dialect, model } = await ofSound(path, () => readSource(source));
  const refusal =
    model.kind === 'onnx' && model.model.graph !== undefined
      ? await ofSound(path, () => runtimeRefusal(model.model))
      : unasked;
  const found = await ofSound(path, () => rows(model, custom, refusal));
  const unknown = found
    .filter((row) => !row.supported && model.kind !== 'onnx')
    .map((row) => `layer '${row.name}': there is no converter for ${row.kind}`);
  return {
    format: model.kind === 'onnx' ? `${source.format} (opset ${opsetOf(model.model)})` : source.format,
    dialect,
    sha256: source.sha256,
    sizeBytes: source.sizeBytes,
    parameters: found.reduce((sum, row) => sum + row.parameters, 0),
    layers: found,
    unsupported: [
      ...(unknown.length > 0 ? unknown : await refusalOf(path, model, custom)),
      ...refusal.reasons,
    ],
  };
}
