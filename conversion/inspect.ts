import { layerName, layersOf } from './keras/model.ts';
import { layers } from './layers/index.ts';
import { elementCount, opsetOf, signatureOf } from './onnx/index.ts';
import { identify, readSource } from './readers/index.ts';

/** One row of what a model consists of. */
export interface InspectedLayer {
  readonly name: string;
  /** Keras class, or ONNX operator. */
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

/** @throws ConversionError where the source is damaged or in no known format. */
export async function inspect(path: string): Promise<Inspection> {
  const source = await identify(path);
  const { dialect, model } = await readSource(source);
  const rows: InspectedLayer[] =
    model.kind === 'keras'
      ? layersOf(model.config).map((layer) => ({
          name: layerName(layer),
          kind: layer.class_name,
          parameters: (model.weights.get(layerName(layer)) ?? []).reduce((sum, w) => sum + w.data.length, 0),
          supported: Object.hasOwn(layers, layer.class_name),
        }))
      : (model.model.graph?.node ?? []).map((node) => ({
          name: node.name,
          kind: node.opType,
          parameters: (model.model.graph?.initializer ?? [])
            .filter((tensor) => node.input.includes(tensor.name))
            .reduce((sum, tensor) => sum + elementCount(tensor.dims), 0),
          supported: true,
        }));
  if (model.kind === 'onnx') signatureOf(model.model, path);
  return {
    format: model.kind === 'onnx' ? `${source.format} (opset ${opsetOf(model.model)})` : source.format,
    dialect,
    sha256: source.sha256,
    sizeBytes: source.sizeBytes,
    parameters: rows.reduce((sum, row) => sum + row.parameters, 0),
    layers: rows,
    unsupported: rows
      .filter((row) => !row.supported)
      .map((row) => `layer '${row.name}': there is no converter for ${row.kind}`),
  };
}
