import { open, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { InferenceSession } from 'onnxruntime-node';
import { collect } from '../collect.ts';
import { ConversionError } from '../errors.ts';
import { allocate, type Piece, readInto, writePieces } from '../large-files.ts';
import {
  apart,
  decodeModel,
  encodedParts,
  fewestBytes,
  giving,
  type ModelProto,
  type ValueInfoProto,
} from '../onnx/index.ts';
import { openFile, type VersionFiles } from './session.ts';

/** A version whose weights lie on the disk while the gate works, which takes the memory for itself. */
export interface Shelf {
  /** Without its large weights. */
  readonly model: ModelProto;
  /** A session of it, for the gate. @param added values inside, which are wanted beside the outputs */
  open(added?: readonly ValueInfoProto[]): Promise<InferenceSession>;
  /** The version again: what it has of weights is what the gate's session was given. */
  files(): Promise<VersionFiles>;
}

/** What of a message lies in pieces of a file, and what is between them, as copies: nothing here holds the message. */
function layoutOf(message: Uint8Array, pieces: readonly Piece[]) {
  const places = pieces.map(({ bytes, offset }) => ({
    start: bytes.byteOffset - message.byteOffset,
    length: bytes.length,
    offset,
  }));
  const ends = [0, ...places.map(({ start, length }) => start + length)];
  const starts = [...places.map(({ start }) => start), message.length];
  const between = ends.map((end, i) => ({ start: end, bytes: message.slice(end, starts[i]) }));
  return { sizeBytes: message.length, places, between };
}

/** Writes the weights of a model's message into a file. The message itself is never made: without them most of it takes no memory. */
async function writeWeights(model: ModelProto, path: string) {
  const constants = new Set(model.graph!.initializer.map(({ rawData }) => rawData));
  const parts = encodedParts(model);
  const outline = allocate(
    parts.reduce((sum, part) => sum + part.length, 0),
    path,
  );
  const weights = new Map<number, Uint8Array>();
  let at = 0;
  for (const part of parts) {
    if (part.length >= fewestBytes && constants.has(part)) weights.set(at, part);
    else outline.set(part, at);
    at += part.length;
  }
  const { message: rest, pieces } = apart(outline, basename(path));
  await writePieces(
    path,
    pieces.map(({ bytes, offset }) => ({ bytes: weights.get(bytes.byteOffset) ?? bytes, offset })),
  );
  return { rest, ...layoutOf(outline, pieces) };
}

/**
 * @param model what ships, as one file of the name `name`; its memory is free where nobody else holds it
 * @throws Error where the disk has no room
 */
export async function shelve(name: string, model: ModelProto, folder: string): Promise<Shelf> {
  const weights = join(folder, 'weights');
  const { rest, sizeBytes, places, between } = await writeWeights(model, weights);
  return {
    model: decodeModel(rest, name),
    async open(added = []) {
      const path = join(folder, 'message');
      await writeFile(path, giving(rest, added));
      collect(sizeBytes);
      return openFile(path);
    },
    async files() {
      collect(sizeBytes);
      const whole = allocate(sizeBytes, name);
      for (const { start, bytes } of between) whole.set(bytes, start);
      const file = await open(weights, 'r');
      try {
        for (const { start, length, offset } of places) {
          const read = await readInto(file, whole.subarray(start, start + length), offset);
          if (read < length)
            throw new ConversionError('CONVERSION_NOT_WRITABLE', `${weights} was cut while it was in use`);
        }
      } finally {
        await file.close();
      }
      return new Map([[name, whole]]);
    },
  };
}
