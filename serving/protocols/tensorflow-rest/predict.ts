import type { DataType, TensorSpec } from '../../../conversion/manifest/index.ts';
import type { Servable } from '../../engine/servable.ts';
import { concatenateRows, countOf, sliceRows, type TensorValue } from '../../engine/tensor.ts';
import type { ServingError } from '../../errors.ts';
import { columnTensor } from '../../processing/columns.ts';
import type { Cell } from '../../processing/features.ts';
import type { Processor } from '../../processing/processor.ts';
import { badInput } from '../../validation.ts';
import { openInferenceNames } from '../../wire/open-inference.ts';
import type { NonFinitePolicy } from '../../wire/policy.ts';
import type { JsonReader } from '../../wire/reader.ts';
import type { Tensor } from '../../wire/tensor.ts';
import { tensorText } from '../../wire/writer.ts';
import { checkSignatureName, maxRowObjects, readBody } from './body.ts';

/** How a request gave its inputs, and so how its answer gives the outputs. */
export type Form = 'row' | 'column';

export interface PredictRequest {
  readonly form: Form;
  readonly inputs: readonly TensorValue[];
}

/**
 * Reads a request's body straight into tensors.
 * @throws ServingError SERVING_BAD_JSON, SERVING_BAD_SIGNATURE, SERVING_BAD_INPUT
 */
export function parsePredict(servable: Servable, body: Buffer, policy: NonFinitePolicy): PredictRequest {
  return readBody(servable, body, policy, (reader) => new PredictReader(servable, reader).read());
}

class PredictReader {
  readonly #servable: Servable;
  readonly #specs: readonly TensorSpec[];
  readonly #reader: JsonReader;
  readonly #processor: Processor | undefined;

  constructor(servable: Servable, reader: JsonReader) {
    this.#servable = servable;
    this.#specs = servable.signature.inputs;
    this.#reader = reader;
    this.#processor = servable.processor;
  }

  read(): PredictRequest {
    const reader = this.#reader;
    let rows: readonly TensorValue[] | undefined;
    let columns: readonly TensorValue[] | undefined;
    reader.object((key) => {
      if (key === 'instances') rows = this.#rows();
      else if (key === 'inputs') columns = this.#columns();
      else if (key === 'signature_name') checkSignatureName(reader.value());
      else reader.value();
    });
    reader.end();
    if (rows && columns) throw this.#bad("Both 'inputs' and 'instances' are there: one is allowed");
    if (rows) return { form: 'row', inputs: rows };
    if (columns) return { form: 'column', inputs: columns };
    throw this.#bad("Missing 'inputs' or 'instances' key");
  }

  /** `instances`: a list of rows; a row is a bare value for one input, an object by name for several. */
  #rows(): readonly TensorValue[] {
    const reader = this.#reader;
    if (!reader.isArray()) throw this.#bad("'instances' must be a list with at least one row");
    if (!this.#startsWithObject()) {
      const rows = this.#only('each row must be an object by input name', 'instances');
      if (rows.shape[0] === 0) throw this.#bad("'instances' must be a list with at least one row");
      return [rows];
    }
    const columns = new Map<string, TensorValue[]>();
    const cells = new Map<string, Cell[]>();
    const count = reader.array((index) => {
      if (!reader.isObject()) throw this.#bad(`Row ${index} is no object, row 0 is one`);
      if (index === maxRowObjects)
        throw this.#bad(`There are more than ${maxRowObjects} rows by name: send 'inputs' by column`);
      reader.object((name) => {
        if (this.#processor?.isColumn(name)) {
          const column = cells.get(name) ?? [];
          column[index] = this.#cell(name, reader.value());
          cells.set(name, column);
          return;
        }
        this.#spec(name);
        const column = columns.get(name) ?? [];
        if (column.length !== index) throw this.#unlikeTheFirst(index, columns);
        const tensor = this.#named(name, `instances[${index}].${name}`);
        column.push({ ...tensor, shape: [1, ...tensor.shape] });
        columns.set(name, column);
      });
      for (const column of columns.values()) {
        if (column.length !== index + 1) throw this.#unlikeTheFirst(index, columns);
      }
    });
    const tensors = [...columns].map(([name, column]) => {
      const shapes = new Set(column.map(({ dtype, shape }) => `${dtype} ${shape}`));
      if (shapes.size === 1 && column.length === count) return concatenateRows(column);
      throw this.#bad(`Input '${name}': the rows have different shapes`);
    });
    return [...tensors, ...this.#cellColumns(columns, cells, count)];
  }

  /** The columns of every input that is no tensor here; what a row leaves out is missing. */
  #cellColumns(
    tensors: ReadonlyMap<string, unknown>,
    cells: ReadonlyMap<string, Cell[]>,
    count: number,
  ): TensorValue[] {
    const names = this.#specs
      .filter(({ name }) => !tensors.has(name))
      .flatMap(({ name }) => this.#processor?.columnsOf(name) ?? []);
    return [...new Set([...cells.keys(), ...names])].map((name) => {
      const column = cells.get(name) ?? [];
      return columnTensor(
        name,
        Array.from({ length: count }, (_, row) => column[row]),
      );
    });
  }

  #cell(name: string, value: unknown): Cell {
    if (value === null || typeof value !== 'object') return value as Cell;
    throw this.#bad(`Feature '${name}' is one value a row`);
  }

  /** `inputs`: an object by input name, a bare value for one input, or the source's form. */
  #columns(): readonly TensorValue[] {
    const reader = this.#reader;
    if (reader.isArray() && this.#startsWithObject()) return this.#source();
    if (!reader.isObject() || reader.firstKey() === 'b64') {
      return [this.#only("'inputs' must be an object by input name", 'inputs')];
    }
    const columns = new Map<string, TensorValue>();
    reader.object((name) => columns.set(name, this.#column(name) ?? this.#named(name, `inputs.${name}`)));
    return [...columns.values()];
  }

  /** A feature's values, one a row, where the name is a feature's. */
  #column(name: string): TensorValue | undefined {
    if (!this.#processor?.isColumn(name)) return undefined;
    const values = this.#reader.values(2);
    return columnTensor(
      name,
      values.map((value) => this.#cell(name, value)),
    );
  }

  /** `{"inputs":[{"data":[...]}]}`: one element a tensor, in signature order unless named. */
  #source(): readonly TensorValue[] {
    const tensors: TensorValue[] = [];
    const reader = this.#reader;
    let areNamed = true;
    reader.array((index) => {
      let name: unknown;
      let shape: unknown;
      let datatype: unknown;
      let dataAt: number | undefined;
      reader.object((key) => {
        if (key === 'name') name = reader.value();
        else if (key === 'shape') shape = reader.value();
        else if (key === 'datatype') datatype = reader.value();
        else if (key !== 'data') reader.value();
        else {
          reader.peek();
          dataAt = reader.at;
          // Which input it is, and so its type, may only be said behind the data.
          reader.skip();
        }
      });
      areNamed &&= typeof name === 'string';
      if (typeof name === 'string' && dataAt !== undefined && this.#processor?.isColumn(name)) {
        const end = reader.at;
        reader.at = dataAt;
        tensors.push(this.#column(name) as TensorValue);
        reader.at = end;
        return;
      }
      const spec = typeof name === 'string' ? this.#spec(name) : this.#specs[index];
      if (!spec) throw this.#bad(`The model takes ${this.#specs.length} inputs, the request gives more`);
      if (dataAt === undefined) throw this.#bad(`Input '${spec.name}': data is missing, expected a list`);
      this.#checkDatatype(spec, datatype);
      const after = reader.at;
      reader.at = dataAt;
      if (!reader.isArray()) throw this.#bad(`Input '${spec.name}': data is no list`);
      const tensor = named(spec.name, reader.tensor(this.#typeOf(spec), `inputs[${index}].data`));
      reader.at = after;
      tensors.push(this.#asRows(spec, tensor, shape));
    });
    if (tensors.length !== this.#specs.length && !areNamed) {
      throw this.#bad(`The model takes ${this.#specs.length} inputs, the request gives ${tensors.length}`);
    }
    return tensors;
  }

  /** Who names a type means it: with another one the numbers may mean something else. */
  #checkDatatype({ name, dtype }: TensorSpec, datatype: unknown): void {
    const expected = openInferenceNames[dtype];
    if (datatype === undefined || datatype === dtype || datatype === expected) return;
    const got = typeof datatype === 'string' ? datatype : typeof datatype;
    throw this.#bad(`Input '${name}': expected datatype ${expected}, got ${got}`);
  }

  /** Flat data of k times a row is k rows; nested data, or a shape beside it, says its own. */
  #asRows(spec: TensorSpec, tensor: TensorValue, shape: unknown): TensorValue {
    if (Array.isArray(shape)) return { ...tensor, shape: shape.map(Number) };
    if (tensor.shape.length > 1 || tensor.dtype !== spec.dtype) return tensor;
    const count = tensor.data.length;
    const rest = spec.shape.slice(1);
    const rowSize = rest.every((size) => size >= 0) ? countOf(rest) : undefined;
    if (rowSize === undefined || rowSize === 0 || count % rowSize !== 0 || count === 0) {
      throw this.#bad(
        `Input '${spec.name}': expected shape [${spec.shape}], so ${rowSize ?? 'a shape and as many'} numbers a row, got ${count}`,
      );
    }
    return { ...tensor, shape: spec.shape[0] === -1 ? [count / rowSize, ...rest] : [...spec.shape] };
  }

  /** Whether the list that comes next starts with an object by name, not with a value. */
  #startsWithObject(): boolean {
    const reader = this.#reader;
    const start = reader.at++;
    const key = reader.firstKey();
    const startsWithObject = reader.isObject() && key !== 'b64';
    reader.at = start;
    return startsWithObject;
  }

  #only(otherwise: string, path: string): TensorValue {
    const [only] = this.#specs;
    if (this.#specs.length !== 1 || !only)
      throw this.#bad(`The model takes ${this.#specs.length} inputs: ${otherwise}`);
    return named(only.name, this.#reader.tensor(this.#typeOf(only), path));
  }

  #named(name: string, path: string): TensorValue {
    return named(name, this.#reader.tensor(this.#typeOf(this.#spec(name)), path));
  }

  /** What comes next for an input: its own type, or text where it may be a picture and is one. */
  #typeOf({ name, dtype }: TensorSpec): DataType {
    if (this.#processor?.imageOf(name) === undefined) return dtype;
    const reader = this.#reader;
    reader.peek();
    const start = reader.at;
    while (reader.isArray()) reader.at++;
    const isPicture = reader.isObject() || reader.isString();
    reader.at = start;
    return isPicture ? 'string' : dtype;
  }

  #spec(name: string): TensorSpec {
    const spec = this.#specs.find((candidate) => candidate.name === name);
    if (spec) return spec;
    throw this.#bad(
      `There is no input '${name}'; the model takes ${this.#specs
        .flatMap((known) => [known.name, ...(this.#processor?.columnsOf(known.name) ?? [])])
        .map((known) => `'${known}'`)
        .join(', ')}`,
    );
  }

  #unlikeTheFirst(index: number, columns: ReadonlyMap<string, unknown>): ServingError {
    return this.#bad(`Row ${index} does not have the inputs of row 0: ${[...columns.keys()].join(', ')}`);
  }

  #bad(message: string): ServingError {
    return badInput(this.#servable, message);
  }
}

/** Written out: a spread costs more than all else that is done for a small request. */
function named(name: string, { dtype, shape, data }: Tensor): TensorValue {
  return { name, dtype, shape, data };
}

/** TensorFlow Serving gives strings whose output is named `*_bytes` as base64. */
function textOf(output: TensorValue, policy: NonFinitePolicy): string {
  return tensorText(output, policy, output.name.endsWith('_bytes'));
}

/** Tensors as an object by name. */
function objectOf(tensors: readonly TensorValue[], policy: NonFinitePolicy): string {
  return `{${tensors.map((tensor) => `${JSON.stringify(tensor.name)}:${textOf(tensor, policy)}`).join(',')}}`;
}

/** One row of each output, without the batch. */
function rowOf(outputs: readonly TensorValue[], index: number): TensorValue[] {
  return outputs.map((output) => ({
    ...sliceRows(output, index, index + 1),
    shape: output.shape.slice(1),
  }));
}

/** `predictions` by row or `outputs` by column; bare where the model has one output. */
export function renderPredict(
  form: Form,
  outputs: readonly TensorValue[],
  rows: number,
  policy: NonFinitePolicy,
): string {
  const [only] = outputs;
  if (outputs.length === 1 && only) {
    return `{"${form === 'column' ? 'outputs' : 'predictions'}":${textOf(only, policy)}}`;
  }
  if (form === 'column') return `{"outputs":${objectOf(outputs, policy)}}`;
  const texts = Array.from({ length: rows }, (_, index) => objectOf(rowOf(outputs, index), policy));
  return `{"predictions":[${texts.join(',')}]}`;
}
