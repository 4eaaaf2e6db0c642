import { clearField, create } from '@bufbuild/protobuf';
import { ConversionError } from '../errors.ts';
import { allocate, type Piece } from '../large-files.ts';
import { encodeModel } from './encode.ts';
import {
  TensorProto_DataLocation as DataLocation,
  type ModelProto,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProtoSchema,
} from './generated/onnx_pb.js';
import { attributesOf, decodeModel, graphsOf } from './model.ts';
import { byteLengthOf } from './tensors.ts';

/*
 * Weights outside of the model's message, which ends at 2 GiB. In memory a model always has its weights in itself: only files, and what
 * the runtime is given, are in parts.
 * https://github.com/onnx/onnx/blob/main/docs/ExternalData.md
 */

/** Smaller constants stay in the message: shapes and axes, which the runtime looks at when it builds the graph. */
export const fewestBytes = 1024;
/** Offsets are multiples of it, so that whoever loads the file can map it into memory. */
export const pageBytes = 4096;
/** What a message, or a constant that is handed over in memory, has to stay below. */
const mostBytes = 2 ** 31;
/** Weights up to here are written into the message: it needs room for the rest. */
const mostInlineBytes = 1.5e9;

/** Where the bytes of a constant begin. */
interface Place {
  readonly location: string;
  readonly offset: number;
}

const isLarge = ({ rawData }: TensorProto) => rawData.length >= fewestBytes;

/** The same model with its large constants elsewhere; it shares all the rest. */
function withWeightsAt(model: ModelProto, placeOf: (bytes: Uint8Array) => Place): ModelProto {
  const graph = model.graph!;
  const initializer = graph.initializer.map((tensor) => {
    if (!isLarge(tensor)) return tensor;
    const entries = { ...placeOf(tensor.rawData), length: tensor.rawData.length };
    const moved = Object.assign(create(TensorProtoSchema), tensor, {
      dataLocation: DataLocation.EXTERNAL,
      externalData: Object.entries(entries).map(([key, value]) =>
        create(StringStringEntryProtoSchema, { key, value: String(value) }),
      ),
    });
    clearField(moved, TensorProtoSchema.field.rawData);
    return moved;
  });
  return { ...model, graph: { ...graph, initializer } };
}

/** A message, and what it names as other files. */
export interface ModelInParts {
  readonly message: Uint8Array;
  readonly externalData: readonly { readonly path: string; readonly data: Uint8Array }[];
}

/**
 * A model for the runtime: large constants stay where they are in memory, each as a file of its own.
 * @throws ConversionError CONVERSION_UNSUPPORTED
 */
export function inParts(model: ModelProto): ModelInParts {
  const tooLarge = model.graph!.initializer.find(({ rawData }) => rawData.length >= mostBytes);
  if (tooLarge !== undefined) {
    throw new ConversionError(
      'CONVERSION_UNSUPPORTED',
      `'${tooLarge.name}' has ${tooLarge.rawData.length} bytes: constants of 2 GiB and more cannot be checked`,
    );
  }
  const externalData: { path: string; data: Uint8Array }[] = [];
  const graph = withWeightsAt(model, (data) => {
    const path = String(externalData.length);
    externalData.push({ path, data });
    return { location: path, offset: 0 };
  });
  return { message: encodeModel(graph), externalData };
}

/** Bytes of the large constants of a model. */
export function weightBytes(model: ModelProto): number {
  const large = model.graph!.initializer.filter(isLarge);
  return large.reduce((sum, { rawData }) => sum + rawData.length, 0);
}

/** Whether the large constants have to lie outside of the message. @param mostInline bytes of them that may be in it */
export const outgrows = (model: ModelProto, mostInline = mostInlineBytes): boolean =>
  weightBytes(model) > mostInline;

/** A message, and the pieces of the one file beside it. */
export interface ModelAndFile {
  readonly message: Uint8Array;
  readonly pieces: readonly Piece[];
  readonly sizeBytes: number;
}

/** A model with its large constants in one file, of the name `location`. */
export function besideFile(model: ModelProto, location: string): ModelAndFile {
  const pieces: Piece[] = [];
  let end = 0;
  const graph = withWeightsAt(model, (bytes) => {
    const offset = Math.ceil(end / pageBytes) * pageBytes;
    pieces.push({ bytes, offset });
    end = offset + bytes.length;
    return { location, offset };
  });
  return { message: encodeModel(graph), pieces, sizeBytes: end };
}

/**
 * The deterministic files of a model: one, and `<name>.data` beside it where the weights outgrow the message.
 * @throws ConversionError CONVERSION_OUT_OF_MEMORY
 */
export function modelFiles(model: ModelProto, name: string, mostInline?: number): Map<string, Uint8Array> {
  if (!outgrows(model, mostInline)) return new Map([[name, encodeModel(model)]]);
  const location = `${name}.data`;
  const { message, pieces, sizeBytes } = besideFile(model, location);
  const data = allocate(sizeBytes, location);
  for (const { bytes, offset } of pieces) data.set(bytes, offset);
  return new Map([
    [name, message],
    [location, data],
  ]);
}

/** The model that files hold, which shares their memory. @throws ConversionError CONVERSION_SOURCE_CORRUPT */
export function modelIn(files: ReadonlyMap<string, Uint8Array>, name: string): ModelProto {
  const model = decodeModel(files.get(name)!, name);
  attachWeights(model, files, name);
  return model;
}

const isThere = <T>(value: T | undefined): value is T => value !== undefined;

/** Every constant of a model, in whatever place the specification has for one: the runtime would go to any file that one names. */
function tensorsOf(model: ModelProto): TensorProto[] {
  const [graphs, attributes] = [graphsOf(model), attributesOf(model)];
  const sparse = [
    ...graphs.flatMap(({ sparseInitializer }) => sparseInitializer),
    ...attributes.flatMap(({ sparseTensor, sparseTensors }) => [sparseTensor, ...sparseTensors]),
  ];
  return [
    ...graphs.flatMap(({ initializer }) => initializer),
    ...attributes.flatMap(({ t, tensors }) => [t, ...tensors]),
    ...sparse.flatMap((tensor) => [tensor?.values, tensor?.indices]),
  ].filter(isThere);
}

const externalTensorsOf = (model: ModelProto) =>
  tensorsOf(model).filter(({ dataLocation }) => dataLocation === DataLocation.EXTERNAL);

/** What a constant says of where its bytes are, by the keys of the specification. */
const entriesOf = ({ externalData }: TensorProto) =>
  Object.fromEntries(externalData.map(({ key, value }) => [key, value]));

/** The files, relative to the model's, that its constants are in; each once, in the order in which they come. */
export function externalLocations(model: ModelProto): string[] {
  return [...new Set(externalTensorsOf(model).map((tensor) => entriesOf(tensor)['location'] ?? ''))];
}

/**
 * Puts the constants that lie in files into the model; they share the files' memory.
 * @param files by location, as externalLocations names them
 * @throws ConversionError CONVERSION_SOURCE_CORRUPT where a file does not have what the model says
 */
export function attachWeights(
  model: ModelProto,
  files: ReadonlyMap<string, Uint8Array>,
  where: string,
): void {
  for (const tensor of externalTensorsOf(model)) {
    const { location = '', offset = '0', length } = entriesOf(tensor);
    const file = files.get(location) ?? new Uint8Array();
    const start = Number(offset);
    const size = Number(length ?? byteLengthOf(tensor) ?? file.length - start);
    const isInFile =
      [start, size].every((n) => Number.isSafeInteger(n) && n >= 0) && start + size <= file.length;
    if (!isInFile || size !== (byteLengthOf(tensor) ?? size)) {
      throw new ConversionError(
        'CONVERSION_SOURCE_CORRUPT',
        `${where}: '${tensor.name}' [${tensor.dims}] is said to have ${size} bytes at ${start} of ${location}, which has ${file.length}`,
      );
    }
    tensor.rawData = file.subarray(start, start + size);
    tensor.externalData = [];
    clearField(tensor, TensorProtoSchema.field.dataLocation);
  }
}
