import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { InferenceSession } from 'onnxruntime-node';
import { collect } from '../collect.ts';
import { allocate, type Piece, writePieces } from '../large-files.ts';
import {
  apart,
  decodeModel,
  encodedParts,
  fewestBytes,
  giving,
  type ModelProto,
  type ValueInfoProto,
} from '../onnx/index.ts';
import { StoredFile, type Stretch, type VersionFiles } from '../version-files.ts';
import { openFile } from './session.ts';

/** A version whose weights lie on the disk: the gate takes the memory for itself. */
export interface Shelf {
  /** Without its large weights. */
  readonly model: ModelProto;
  /** What ships: what it has of weights is what the gate's session is given. It outlives the folder. */
  readonly files: VersionFiles;
  /** A session of it, for the gate. @param added values inside, which are wanted beside the outputs */
  open(added?: readonly ValueInfoProto[]): Promise<InferenceSession>;
}

/** What of a message lies in pieces of a file, and what is between them, as copies: nothing here holds the message. */
function stretchesOf(message: Uint8Array, pieces: readonly Piece[]): Stretch[] {
  const places = pieces.map(({ bytes, offset }) => ({
    start: bytes.byteOffset - message.byteOffset,
    place: { offset, length: bytes.length },
  }));
  const ends = [0, ...places.map(({ start, place }) => start + place.length)];
  return ends.flatMap((end, i) => {
    const next = places[i];
    const between = message.slice(end, next?.start);
    return next === undefined ? [between] : [between, next.place];
  });
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
  return { rest, stretches: stretchesOf(outline, pieces) };
}

/**
 * @param model what ships, as one file of the name `name`; its memory is free where nobody else holds it
 * @throws Error where the disk has no room
 */
export async function shelve(name: string, model: ModelProto, folder: string): Promise<Shelf> {
  const weights = join(folder, 'weights');
  const { rest, stretches } = await writeWeights(model, weights);
  const stored = new StoredFile(weights, stretches);
  return {
    model: decodeModel(rest, name),
    files: new Map([[name, stored]]),
    async open(added = []) {
      const path = join(folder, 'message');
      await writeFile(path, giving(rest, added));
      collect(stored.length);
      return openFile(path);
    },
  };
}
