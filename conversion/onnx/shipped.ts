import { create, toBinary } from '@bufbuild/protobuf';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import type { Piece } from '../large-files.ts';
import { delimited, graphField, initializerField, joined, rawDataField } from './encode.ts';
import { fewestBytes, pageBytes } from './external-data.ts';
import {
  TensorProto_DataLocation as DataLocation,
  GraphProtoSchema,
  ModelProtoSchema,
  TensorProtoSchema,
  type ValueInfoProto,
} from './generated/onnx_pb.js';

/*
 * Messages as they ship, for the gate to run: none is decoded and encoded anew, so that what an encoder does wrong is seen as it ships.
 */

interface Field {
  readonly number: number;
  /** Tag and length included. */
  readonly whole: Uint8Array;
  /** Of a message, a text or bytes. */
  readonly content: Uint8Array | undefined;
}

function fieldsIn(message: Uint8Array): Field[] {
  const reader = new BinaryReader(message);
  const fields: Field[] = [];
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [number, type] = reader.tag();
    const content = type === WireType.LengthDelimited ? reader.bytes() : undefined;
    if (content === undefined) reader.skip(type, number);
    fields.push({ number, whole: message.subarray(start, reader.pos), content });
  }
  return fields;
}

/** A message with another content in each field of a number; every other byte stays. */
const withField = (message: Uint8Array, number: number, change: (content: Uint8Array) => Uint8Array[]) =>
  fieldsIn(message).flatMap(({ number: found, whole, content }) =>
    found === number && content !== undefined ? delimited(number, change(content)) : [whole],
  );

/** Offsets in a file for one constant after the other. */
function onePerPage(): (bytes: Uint8Array) => number {
  let end = 0;
  return ({ length }) => {
    const offset = Math.ceil(end / pageBytes) * pageBytes;
    end = offset + length;
    return offset;
  };
}

/**
 * A message whose large constants lie in pieces of a file of the name `location`: the very bytes, in two places.
 * @param offsetOf where in the file the bytes of a constant lie; undefined of those that stay in the message
 */
export function apart(
  message: Uint8Array,
  location: string,
  offsetOf: (bytes: Uint8Array) => number | undefined = onePerPage(),
): { readonly message: Uint8Array; readonly pieces: readonly Piece[] } {
  const pieces: Piece[] = [];
  const tensorApart = (tensor: Uint8Array): Uint8Array[] => {
    const fields = fieldsIn(tensor);
    const bytes = fields.filter(({ number }) => number === rawDataField).at(-1)?.content;
    if (bytes === undefined || bytes.length < fewestBytes) return [tensor];
    const offset = offsetOf(bytes);
    if (offset === undefined) return [tensor];
    pieces.push({ bytes, offset });
    const entries = Object.entries({ location, offset, length: bytes.length });
    const place = create(TensorProtoSchema, {
      dataLocation: DataLocation.EXTERNAL,
      externalData: entries.map(([key, value]) => ({ key, value: String(value) })),
    });
    const others = fields.filter(({ number }) => number !== rawDataField).map(({ whole }) => whole);
    return [...others, toBinary(TensorProtoSchema, place)];
  };
  const parts = withField(message, graphField, (graph) => withField(graph, initializerField, tensorApart));
  return { message: joined(parts), pieces };
}

/** A message that gives more values than it ships with: what follows a message is merged into it. */
export function giving(message: Uint8Array, outputs: readonly ValueInfoProto[]): Uint8Array {
  if (outputs.length === 0) return message;
  const graph = create(GraphProtoSchema, { output: [...outputs] });
  return joined([message, toBinary(ModelProtoSchema, create(ModelProtoSchema, { graph }))]);
}
