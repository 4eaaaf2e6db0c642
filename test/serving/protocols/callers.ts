import type { ServiceError } from '@grpc/grpc-js';
import type { DataType } from '../../../conversion/manifest/index.ts';
import { arrayTypes, type TensorValue } from '../../../serving/engine/tensor.ts';
import { GRPCInferenceService } from '../../../serving/protocols/open-inference-grpc/generated/open_inference_pb.js';
import {
  PredictionService,
  DataType as TensorflowType,
  type TensorProto,
} from '../../../serving/protocols/tensorflow-grpc/generated/tensorflow_serving_pb.js';
import { GrpcClient } from '../support/grpc-client.ts';
import { ask } from '../support/requests.ts';
import type { TestServer } from '../support/server.ts';

/** An answer that every protocol gives in its own words. */
export type Outcome =
  | { readonly outputs: Readonly<Record<string, Output>>; readonly predictionId: string }
  | { readonly refused: Refusal; readonly message: string };

/** Shape, and the elements as bytes in hex (numbers) or as text (strings). */
export interface Output {
  readonly shape: readonly number[];
  readonly elements: string;
}

export type Refusal = 'bad request' | 'not found' | 'too large';

export interface Call {
  readonly model: string;
  readonly version?: number;
  readonly inputs: readonly TensorValue[];
  /** Element types of the model's outputs, in order. */
  readonly outputs: readonly { readonly name: string; readonly dtype: DataType }[];
}

/** One way to send a request over one protocol. */
export interface Caller {
  /** Row of serving/protocols/index.ts. */
  readonly protocol: string;
  readonly way: string;
  /** Ways that put numbers into JSON cannot carry every one. */
  readonly isText: boolean;
  infer(server: TestServer, call: Call): Promise<Outcome>;
}

const httpRefusals: Readonly<Record<number, Refusal>> = {
  400: 'bad request',
  404: 'not found',
  413: 'too large',
};
const grpcRefusals: Readonly<Record<number, Refusal>> = { 3: 'bad request', 5: 'not found', 8: 'too large' };

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const bytesOf = (data: TensorValue['data']) => {
  const { buffer, byteOffset, byteLength } = data as Float32Array;
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
};

/** Values of any form (JSON, protobuf) as elements. */
function elementsOf(dtype: DataType, values: readonly unknown[]): string {
  if (dtype === 'string')
    return values.map((value) => Buffer.from(value as Uint8Array).toString('utf8')).join('|');
  if (dtype === 'float16') return hex(bytesOf(Uint16Array.from(values as number[])));
  const isBig = dtype === 'int64' || dtype === 'uint64';
  const numbers = values.map((value) => (isBig ? BigInt(value as number) : Number(value)));
  return hex(
    bytesOf(
      (arrayTypes[dtype] as unknown as { from(values: readonly unknown[]): Float32Array }).from(numbers),
    ),
  );
}

/** float16 as JSON numbers and back, worked out here: sign, 5 bits of exponent, 10 of fraction. */
const halfToNumber = (bits: number) => {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return bits >> 15 ? -size : size;
};
const halves = new Map(Array.from({ length: 0x8000 }, (_, bits) => [halfToNumber(bits), bits]));
const numberToHalf = (value: number) => {
  const bits = halves.get(Math.fround(Math.abs(value)));
  return bits === undefined || (value >= 0 && !Object.is(value, -0)) ? bits : bits | 0x8000;
};

function plain({ dtype, data }: TensorValue): unknown[] {
  if (dtype === 'bool') return Array.from(data as Uint8Array, Boolean);
  if (dtype === 'float16') return Array.from(data as Uint16Array, halfToNumber);
  return Array.from(data as ArrayLike<unknown>, (value) =>
    typeof value === 'bigint' ? Number(value) : value,
  );
}

const nonFinite = /"(-?Infinity)"/g;
const toJson = (value: unknown) =>
  JSON.stringify(value, (_key, item) =>
    typeof item === 'number' && !Number.isFinite(item) ? String(item) : Object.is(item, -0) ? '-Zero' : item,
  )
    .replace(nonFinite, '$1')
    .replaceAll('"-Zero"', '-0.0');
const fromJson = (text: string) =>
  JSON.parse(text.replace(/(?<=[[,:])(-?Infinity)/g, '"$1"'), (_key, item) =>
    item === 'Infinity' || item === '-Infinity' ? Number(item) : item,
  );

function nested(values: readonly unknown[], shape: readonly number[]): unknown {
  if (shape.length === 0) return values[0];
  const [size = 0, ...rest] = shape;
  const step = values.length / size;
  return Array.from({ length: size }, (_, index) =>
    nested(values.slice(index * step, (index + 1) * step), rest),
  );
}

function shapeOf(value: unknown): number[] {
  return Array.isArray(value) ? [value.length, ...shapeOf(value[0])] : [];
}

function fromText(dtype: DataType, name: string, value: unknown, shape = shapeOf(value)): Output {
  const flat = [value].flat(32) as unknown[];
  if (dtype === 'string') {
    const texts = flat.map((item) =>
      typeof item === 'string' ? item : Buffer.from((item as { b64: string }).b64, 'base64').toString(),
    );
    return { shape, elements: texts.join('|') };
  }
  const values = dtype === 'float16' ? flat.map((item) => numberToHalf(item as number)) : flat;
  if (values.some((item) => item === undefined)) throw new Error(`${name}: no float16`);
  return { shape, elements: elementsOf(dtype, values) };
}

async function overHttp(
  url: string,
  body: string | Uint8Array,
  headers: Record<string, string>,
  read: (text: string, bytes: Buffer, headers: Headers) => Record<string, Output>,
): Promise<Outcome> {
  const answer = await ask(url, body, { headers });
  if (answer.status !== 200) {
    return {
      refused: httpRefusals[answer.status] as Refusal,
      message: (answer.json as { error: string }).error,
    };
  }
  const predictionId = answer.headers.get('x-modelmile-prediction-id') ?? '';
  return { outputs: read(answer.text, answer.bytes, answer.headers), predictionId };
}

function tensorflowRest(way: 'row' | 'column' | 'article'): Caller {
  return {
    protocol: 'tensorflow-rest',
    way,
    isText: true,
    infer(server, { model, version, inputs, outputs }) {
      const columns = Object.fromEntries(
        inputs.map((input) => [input.name, nested(plain(input), input.shape) as unknown[]]),
      );
      const rows = Array.from({ length: inputs[0]?.shape[0] ?? 0 }, (_, row) =>
        Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[row]])),
      );
      const body = {
        row: { instances: rows },
        column: { inputs: columns },
        article: {
          inputs: inputs.map((input) => ({ name: input.name, shape: input.shape, data: plain(input) })),
        },
      }[way];
      const path = `/v1/models/${model}${version === undefined ? '' : `/versions/${version}`}:predict`;
      return overHttp(server.rest + path, toJson(body), {}, (text) => {
        const json = fromJson(text);
        const only = outputs.length === 1;
        return Object.fromEntries(
          outputs.map(({ name, dtype }) => {
            const value =
              way === 'row'
                ? json.predictions.map((row: Record<string, unknown>) => (only ? row : row[name]))
                : only
                  ? json.outputs
                  : json.outputs[name];
            return [name, fromText(dtype, name, value)];
          }),
        );
      });
    },
  };
}

const openInferenceType = (dtype: DataType) =>
  dtype === 'string' ? 'BYTES' : dtype.toUpperCase().replace(/^FLOAT/, 'FP');

/** Elements as they lie in memory; strings with their length before each. */
function rawOf({ dtype, data }: TensorValue): Buffer {
  if (dtype !== 'string') return bytesOf(data);
  return Buffer.concat(
    (data as string[]).flatMap((text) => {
      const bytes = Buffer.from(text);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    }),
  );
}

function fromRaw(dtype: DataType, shape: readonly number[], bytes: Uint8Array): Output {
  if (dtype !== 'string') return { shape, elements: hex(bytes) };
  const texts: string[] = [];
  const buffer = Buffer.from(bytes);
  for (let at = 0; at < buffer.length; ) {
    const end = at + 4 + buffer.readUInt32LE(at);
    texts.push(buffer.toString('utf8', at + 4, end));
    at = end;
  }
  return { shape, elements: texts.join('|') };
}

function openInferenceRest(way: 'json' | 'binary'): Caller {
  return {
    protocol: 'open-inference-rest',
    way,
    isText: way === 'json',
    infer(server, { model, version, inputs }) {
      const raws = inputs.map(rawOf);
      const json = toJson({
        inputs: inputs.map((input, index) => ({
          name: input.name,
          shape: input.shape,
          datatype: openInferenceType(input.dtype),
          ...(way === 'json'
            ? { data: plain(input) }
            : { parameters: { binary_data_size: raws[index]?.length } }),
        })),
        ...(way === 'binary' && { parameters: { binary_data_output: true } }),
      });
      const body = way === 'json' ? json : Buffer.concat([Buffer.from(json), ...raws]);
      const headers: Record<string, string> =
        way === 'json' ? {} : { 'inference-header-content-length': String(Buffer.byteLength(json)) };
      const path = `/v2/models/${model}${version === undefined ? '' : `/versions/${version}`}/infer`;
      return overHttp(server.rest + path, body, headers, (text, bytes, answered) => {
        const length = Number(answered.get('inference-header-content-length') ?? text.length);
        let at = length;
        const head = fromJson(way === 'json' ? text : bytes.toString('utf8', 0, length));
        return Object.fromEntries(
          head.outputs.map(
            (output: {
              name: string;
              datatype: string;
              shape: number[];
              data: unknown;
              parameters?: { binary_data_size: number };
            }) => {
              const dtype = (
                output.datatype === 'BYTES' ? 'string' : output.datatype.toLowerCase().replace(/^fp/, 'float')
              ) as DataType;
              const size = output.parameters?.binary_data_size;
              if (size === undefined)
                return [output.name, fromText(dtype, output.name, output.data, output.shape)];
              const raw = bytes.subarray(at, at + size);
              at += size;
              return [output.name, fromRaw(dtype, output.shape, raw)];
            },
          ),
        );
      });
    },
  };
}

async function overGrpc(
  call: () => Promise<{ outputs: Record<string, Output>; predictionId: string }>,
): Promise<Outcome> {
  try {
    return await call();
  } catch (error) {
    const { code, details } = error as ServiceError;
    const refused = grpcRefusals[code];
    if (!refused) throw error;
    return { refused, message: details };
  }
}

const contentsFields: Readonly<Record<string, string>> = {
  BOOL: 'boolContents',
  UINT64: 'uint64Contents',
  INT64: 'int64Contents',
  FP32: 'fp32Contents',
  FP64: 'fp64Contents',
  BYTES: 'bytesContents',
};
const contentsField = (datatype: string) =>
  contentsFields[datatype] ?? (datatype.startsWith('U') ? 'uintContents' : 'intContents');

const protobufValues = ({ dtype, data }: TensorValue): unknown[] =>
  dtype === 'string'
    ? (data as string[]).map((text) => Buffer.from(text))
    : dtype === 'bool'
      ? Array.from(data as Uint8Array, Boolean)
      : Array.from(data as Float32Array);

function openInferenceGrpc(way: 'raw' | 'typed'): Caller {
  return {
    protocol: 'open-inference-grpc',
    way,
    isText: false,
    infer: (server, { model, version, inputs }) =>
      overGrpc(async () => {
        const client = new GrpcClient(GRPCInferenceService, server.grpc);
        // float16 has no typed contents.
        const isRaw = way === 'raw' || inputs.some(({ dtype }) => dtype === 'float16');
        const { message, metadata } = await client
          .call('modelInfer', {
            modelName: model,
            modelVersion: version === undefined ? '' : String(version),
            inputs: inputs.map((input) => {
              const datatype = openInferenceType(input.dtype);
              const contents = isRaw
                ? {}
                : { contents: { [contentsField(datatype)]: protobufValues(input) } };
              return { name: input.name, datatype, shape: input.shape.map(BigInt), ...contents };
            }),
            rawInputContents: isRaw ? inputs.map(rawOf) : [],
          })
          .finally(() => client.close());
        const outputs = message.outputs.map(({ name, datatype, shape, contents }, index) => {
          const dtype = (
            datatype === 'BYTES' ? 'string' : datatype.toLowerCase().replace(/^fp/, 'float')
          ) as DataType;
          const raw = message.rawOutputContents[index];
          const sizes = shape.map(Number);
          if (raw) return [name, fromRaw(dtype, sizes, raw)];
          const values = (contents as unknown as Record<string, unknown[]>)[contentsField(datatype)] ?? [];
          return [name, { shape: sizes, elements: elementsOf(dtype, values) }];
        });
        return {
          outputs: Object.fromEntries(outputs),
          predictionId: String(metadata.get('x-modelmile-prediction-id')[0]),
        };
      }),
  };
}

const tensorflowNames: Readonly<Record<string, string>> = {
  float16: 'HALF',
  float32: 'FLOAT',
  float64: 'DOUBLE',
};
const tensorflowType = (dtype: DataType) =>
  TensorflowType[`DT_${tensorflowNames[dtype] ?? dtype.toUpperCase()}` as keyof typeof TensorflowType];
const tensorflowFields: Readonly<Record<string, keyof TensorProto>> = {
  bool: 'boolVal',
  uint32: 'uint32Val',
  uint64: 'uint64Val',
  int64: 'int64Val',
  float16: 'halfVal',
  float32: 'floatVal',
  float64: 'doubleVal',
  string: 'stringVal',
};
const tensorflowField = (dtype: DataType) => tensorflowFields[dtype] ?? 'intVal';

function tensorflowGrpc(way: 'content' | 'values'): Caller {
  return {
    protocol: 'tensorflow-grpc',
    way,
    isText: false,
    infer: (server, { model, version, inputs, outputs }) =>
      overGrpc(async () => {
        const client = new GrpcClient(PredictionService, server.grpc);
        const { message, metadata } = await client
          .call('predict', {
            modelSpec: {
              name: model,
              ...(version !== undefined && {
                versionChoice: { case: 'version', value: { value: BigInt(version) } },
              }),
            },
            inputs: Object.fromEntries(
              inputs.map((input) => [
                input.name,
                {
                  dtype: tensorflowType(input.dtype),
                  tensorShape: { dim: input.shape.map((size) => ({ size: BigInt(size) })) },
                  ...(way === 'content' && input.dtype !== 'string'
                    ? { tensorContent: rawOf(input) }
                    : { [tensorflowField(input.dtype)]: protobufValues(input) }),
                },
              ]),
            ),
          })
          .finally(() => client.close());
        const read = outputs.map(({ name, dtype }) => {
          const proto = message.outputs[name] as TensorProto;
          const shape = proto.tensorShape?.dim.map(({ size }) => Number(size)) ?? [];
          return [name, { shape, elements: elementsOf(dtype, proto[tensorflowField(dtype)] as unknown[]) }];
        });
        return {
          outputs: Object.fromEntries(read),
          predictionId: String(metadata.get('x-modelmile-prediction-id')[0]),
        };
      }),
  };
}

/** Every way to ask for an inference, over every protocol. */
export const callers: readonly Caller[] = [
  tensorflowRest('row'),
  tensorflowRest('column'),
  tensorflowRest('article'),
  openInferenceRest('json'),
  openInferenceRest('binary'),
  tensorflowGrpc('content'),
  tensorflowGrpc('values'),
  openInferenceGrpc('raw'),
  openInferenceGrpc('typed'),
];
