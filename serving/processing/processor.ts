import {
  type ImageInput,
  isImage,
  type Manifest,
  type Postprocessing,
  type Preprocessing,
  processedOutputs,
  processingFaults,
  type Signature,
  type TensorSpec,
} from '../../conversion/manifest/index.ts';
import { allocate, mayGrowTo, type TensorData, type TensorValue } from '../engine/tensor.ts';
import { halfValue } from '../wire/float16.ts';
import { ProcessingFault } from './fault.ts';
import { type Cell, FeatureEncoder } from './features.ts';
import { bestOf } from './outputs.ts';
import type { PictureTarget } from './pictures/picture-input.ts';

/** Reads one picture; the service does it on another thread, scoring where it is. */
export type ReadPicture = (picture: Uint8Array, target: PictureTarget) => Promise<TensorData>;

/** Inputs as the model takes them. */
export interface Prepared {
  readonly inputs: readonly TensorValue[];
  /** Whether any of them came as a picture or as columns: then the answer is in words, too. */
  readonly isProcessed: boolean;
}

/** What a manifest declares of one model's inputs and output, ready to be applied. */
export class Processor {
  readonly preprocessing: Preprocessing;
  readonly postprocessing: Postprocessing | undefined;
  /** Classes and scores, as the answer's metadata show them. */
  readonly outputs: readonly TensorSpec[];
  readonly #labels: readonly string[];
  readonly #specs: ReadonlyMap<string, TensorSpec>;
  readonly #encoders: ReadonlyMap<string, FeatureEncoder>;
  /** Column -> the input that it is part of. */
  readonly #columns: ReadonlyMap<string, string>;

  /**
   * @returns undefined where the manifest declares nothing
   * @throws Error where what it declares does not fit the signature
   */
  static of(manifest: Manifest, signature: Signature): Processor | undefined {
    if (manifest.preprocessing === undefined && manifest.postprocessing === undefined) return undefined;
    const faults = processingFaults(signature, manifest);
    if (faults.length > 0) throw new Error(`the manifest's processing does not fit: ${faults.join('; ')}`);
    return new Processor(manifest, signature);
  }

  private constructor(manifest: Manifest, { inputs, outputs }: Signature) {
    this.preprocessing = manifest.preprocessing ?? {};
    this.postprocessing = manifest.postprocessing;
    this.#labels = manifest.labels ?? [];
    this.#specs = new Map(inputs.map((spec) => [spec.name, spec]));
    this.#encoders = new Map(
      Object.entries(this.preprocessing).flatMap(([name, declared]) =>
        isImage(declared)
          ? []
          : [[name, new FeatureEncoder(declared, (this.#specs.get(name) as TensorSpec).dtype)]],
      ),
    );
    this.#columns = new Map(
      [...this.#encoders].flatMap(([input, { names }]) => names.map((name) => [name, input])),
    );
    this.outputs = outputs.flatMap((spec) =>
      spec.name === this.postprocessing?.tensor ? this.#words() : [spec],
    );
  }

  #words(): TensorSpec[] {
    const shape = [-1, this.postprocessing?.top ?? 1];
    return [
      { name: processedOutputs.classes, dtype: 'string', shape },
      { name: processedOutputs.scores, dtype: 'float32', shape },
    ];
  }

  /** The declaration of an input that may come as a picture. */
  imageOf(input: string): ImageInput['image'] | undefined {
    const declared = this.preprocessing[input];
    return declared !== undefined && isImage(declared) ? declared.image : undefined;
  }

  get takesPictures(): boolean {
    return Object.values(this.preprocessing).some(isImage);
  }

  isColumn(name: string): boolean {
    return this.#columns.has(name);
  }

  /** Columns of an input that are to be given together; none where it is no row of columns. */
  columnsOf(input: string): readonly string[] {
    return this.#encoders.get(input)?.names ?? [];
  }

  /**
   * Pictures and columns as tensors; tensors stay as they are.
   * @throws ProcessingFault
   */
  async prepare(given: readonly TensorValue[], maxPixels: number, read: ReadPicture): Promise<Prepared> {
    const inputs: TensorValue[] = [];
    const columns = new Map<string, TensorValue>();
    let rows: number | undefined;
    for (const tensor of given) {
      const image = tensor.dtype === 'string' ? this.imageOf(tensor.name) : undefined;
      if (image !== undefined) inputs.push(await this.#pictures(tensor, image, maxPixels, read));
      else if (this.isColumn(tensor.name)) columns.set(tensor.name, tensor);
      else inputs.push(tensor);
      if (image !== undefined || this.isColumn(tensor.name)) {
        rows ??= tensor.data.length;
        if (rows !== tensor.data.length) {
          throw new ProcessingFault(`'${tensor.name}' has ${tensor.data.length} rows, others have ${rows}`);
        }
      }
    }
    if (rows === undefined) return { inputs: given, isProcessed: false };
    for (const [input, encoder] of this.#encoders) {
      const isGiven = inputs.some(({ name }) => name === input);
      if (!isGiven) inputs.push(this.#encoded(input, encoder, columns, rows));
      else if (encoder.names.some((name) => columns.has(name))) {
        throw new ProcessingFault(`input '${input}' is given as a tensor and as columns`);
      }
    }
    return { inputs, isProcessed: true };
  }

  #encoded(
    input: string,
    encoder: FeatureEncoder,
    columns: ReadonlyMap<string, TensorValue>,
    rows: number,
  ): TensorValue {
    const { dtype, shape } = this.#specs.get(input) as TensorSpec;
    if (!mayGrowTo(dtype, rows * encoder.width))
      throw new ProcessingFault(`input '${input}': ${rows} rows are too many for one request`);
    const cells = new Map([...columns].map(([name, tensor]) => [name, cellsOf(tensor)]));
    const data = encoder.encode(rows, (name, row) => cells.get(name)?.(row));
    return { name: input, dtype, shape: [rows, ...shape.slice(1)], data };
  }

  async #pictures(
    given: TensorValue,
    image: ImageInput['image'],
    maxPixels: number,
    read: ReadPicture,
  ): Promise<TensorValue> {
    const { name, data } = given;
    assertOneARow(`input '${name}'`, given, 'one picture');
    const { dtype, shape } = this.#specs.get(name) as TensorSpec;
    const target: PictureTarget = { image, dtype, maxPixels };
    const depth = image.channels === 'gray' ? 1 : 3;
    const size = image.width * image.height * depth;
    if (!mayGrowTo(dtype, data.length * size))
      throw new ProcessingFault(`input '${name}': ${data.length} pictures are too many for one request`);
    const all = allocate(dtype, data.length * size) as Float32Array;
    for (const [row, picture] of (data as (string | Uint8Array)[]).entries()) {
      try {
        all.set((await read(bytesOf(picture), target)) as Float32Array, row * size);
      } catch (error) {
        if (!(error instanceof ProcessingFault)) throw error;
        throw new ProcessingFault(`input '${name}', row ${row}: ${error.message}`);
      }
    }
    const made =
      image.layout === 'channels-last'
        ? [image.height, image.width, depth]
        : [depth, image.height, image.width];
    const rowShape = shape.length === 4 ? made : shape.slice(1);
    return { name, dtype, shape: [data.length, ...rowShape], data: all };
  }

  /** The answer to a processed request: classes and scores in place of the output that holds them. */
  answer(outputs: readonly TensorValue[]): TensorValue[] {
    const { postprocessing } = this;
    if (postprocessing === undefined) return [...outputs];
    return outputs.flatMap((output) =>
      output.name === postprocessing.tensor ? bestOf(output, this.#labels, postprocessing.top) : [output],
    );
  }
}

/** Text is base64, as JSON carries bytes. */
const bytesOf = (picture: string | Uint8Array): Uint8Array =>
  typeof picture === 'string' ? Buffer.from(picture, 'base64') : picture;

/** @throws ProcessingFault */
function assertOneARow(what: string, { shape }: TensorValue, one: string): void {
  if (shape.slice(1).every((size) => size === 1)) return;
  throw new ProcessingFault(`${what} has the shape [${shape}]: it is ${one} a row`);
}

/** A column as cells: one value a row. @throws ProcessingFault */
function cellsOf(column: TensorValue): (row: number) => Cell {
  const { name, dtype, data } = column;
  assertOneARow(`feature '${name}'`, column, 'one value');
  if (dtype === 'float16') return (row) => halfValue((data as Uint16Array)[row] as number);
  if (dtype !== 'string') return (row) => (data as Float32Array)[row];
  return (row) => {
    const text = (data as (string | Uint8Array)[])[row] as string | Uint8Array;
    return typeof text === 'string' ? text : Buffer.from(text).toString('utf8');
  };
}
