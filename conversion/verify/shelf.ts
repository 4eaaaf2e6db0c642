import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { InferenceSession } from 'onnxruntime-node';
import { collect } from '../collect.ts';
import { allocate, type Piece, writePieces } from '../large-files.ts';
import type { Frozen } from '../methods/freeze.ts';
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

/** Takes a model's message apart, the weights into a file. The message itself is never made: without them most of it takes no memory. */
async function takenApart({ model, weights: frozen }: Frozen, folder: string) {
  const path = frozen?.path ?? join(folder, 'weights');
  const constants = new Set(model.graph!.initializer.map(({ rawData }) => rawData));
  const parts = encodedParts(model);
  const outline = allocate(
    parts.reduce((sum, part) => sum + part.length, 0),
    path,
  );
  const weights = new Map<number, Uint8Array>();
  let at = 0;
  for (const part of parts) {
    const isWeights = part.length >= fewestBytes && constants.has(part);
    if (isWeights && (frozen === undefined || part.buffer === frozen.room.buffer)) weights.set(at, part);
    else outline.set(part, at);
    at += part.length;
  }
  // What lies in the file that freezing left stays where it is.
  const placeInIt = ({ byteOffset }: Uint8Array) => weights.get(byteOffset)?.byteOffset;
  const { message: rest, pieces } = apart(outline, basename(path), frozen && placeInIt);
  if (frozen === undefined)
    await writePieces(
      path,
      pieces.map(({ bytes, offset }) => ({ bytes: weights.get(bytes.byteOffset) ?? bytes, offset })),
    );
  return { path, rest, stretches: stretchesOf(outline, pieces) };
}

/**
 * @param frozen what ships, as one file of the name `name`; its memory is free where nobody else holds it
 * @param folder in which its weights are, or are written
 * @throws Error where the disk has no room
 */
export async function shelve(name: string, frozen: Frozen, folder: string): Promise<Shelf> {
  const { path: weights, rest, stretches } = await takenApart(frozen, folder);
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
