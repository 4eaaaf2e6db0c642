import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import decode, { init } from '@jsquash/jpeg/decode.js';
import { ProcessingFault } from '../fault.ts';
import type { Pixels } from './pixels.ts';

/** Markers that stand alone, without a length behind them. */
const isAlone = (marker: number) => marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8);
/** Start of frame: any coding, Huffman tables and the like (C4, C8, CC) aside. */
const isFrame = (marker: number) =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
const startOfScan = 0xda;
const endOfImage = Buffer.from([0xff, 0xd9]);
/** A progressive picture has about ten. Each goes over all pixels and may be a few bytes long. */
const maxScans = 100;

/** Where the next marker is; within a scan's data are stuffed bytes and restarts only. */
function nextMarker(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(0xff, from); at >= 0; at = bytes.indexOf(0xff, at + 1)) {
    const marker = bytes[at + 1] as number;
    if (marker !== 0 && marker !== 0xff && !(marker >= 0xd0 && marker <= 0xd7)) return at;
  }
  return bytes.length;
}

/** How often the decoder goes over the picture. @param from the first scan's marker */
function countScans(bytes: Buffer, from: number): number {
  let scans = 0;
  for (let at = from; at + 4 <= bytes.length; ) {
    const marker = bytes[at + 1] as number;
    if (marker === endOfImage[1]) break;
    if (marker === startOfScan) scans++;
    at = nextMarker(bytes, isAlone(marker) ? at + 2 : at + 2 + bytes.readUInt16BE(at + 2));
  }
  return scans;
}

/** Width and height from the frame's header, without decoding. @throws ProcessingFault */
export function jpegHeader(bytes: Buffer): { width: number; height: number } {
  const bad = (why: string) => new ProcessingFault(`the JPEG ${why}`);
  let at = 2;
  let frame: { width: number; height: number } | undefined;
  while (at + 4 <= bytes.length) {
    if (bytes[at] !== 0xff) throw bad('is damaged');
    const marker = bytes[at + 1] as number;
    if (marker === 0xff || isAlone(marker)) {
      at += marker === 0xff ? 1 : 2;
      continue;
    }
    if (isFrame(marker) && at + 10 <= bytes.length) {
      frame = { height: bytes.readUInt16BE(at + 5), width: bytes.readUInt16BE(at + 7) };
      const channels = bytes[at + 9] as number;
      if (channels !== 1 && channels !== 3) throw bad(`has ${channels} channels: gray and colour are taken`);
    }
    if (marker === startOfScan) break;
    at += 2 + bytes.readUInt16BE(at + 2);
  }
  if (frame === undefined || frame.width === 0 || frame.height === 0)
    throw bad('has no pixels, or is cut short');
  // The decoder would fill up with gray what is missing; TensorFlow refuses it, and so does this.
  if (bytes.lastIndexOf(endOfImage) < at) throw bad('is cut short');
  if (countScans(bytes, at) > maxScans) throw bad(`has more than ${maxScans} scans`);
  return frame;
}

/** Memory of WebAssembly never shrinks: an instance that has decoded more pixels than this is not kept. */
const keptPixels = 4_000_000;

let compiled: WebAssembly.Module | undefined;
let isReady = false;

async function open(): Promise<void> {
  if (compiled === undefined) {
    const path = createRequire(import.meta.url).resolve('@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm');
    compiled = new WebAssembly.Module(readFileSync(path));
  }
  const module = compiled;
  await init({
    instantiateWasm(imports: WebAssembly.Imports, onInstance: (instance: WebAssembly.Instance) => void) {
      const instance = new WebAssembly.Instance(module, imports);
      onInstance(instance);
      return instance.exports;
    },
    // libjpeg's warnings are for a terminal.
    print: () => {},
    printErr: () => {},
  });
  isReady = true;
}

/**
 * Decodes a JPEG with libjpeg's accurate transform and smooth chroma (mozjpeg as WebAssembly): the very pixels that Pillow, and so
 * `keras.utils.load_img`, gives. The orientation that a camera noted is not applied, as TensorFlow does not either.
 * @throws ProcessingFault
 */
export async function decodeJpeg(bytes: Buffer): Promise<Pixels> {
  const { width, height } = jpegHeader(bytes);
  if (!isReady) await open();
  try {
    const decoded = await decode(bytes as unknown as ArrayBuffer);
    if (width * height > keptPixels) isReady = false;
    return { width: decoded.width, height: decoded.height, stride: 4, data: decoded.data };
  } catch {
    // What is left of the instance after it gave up is not known.
    isReady = false;
    throw new ProcessingFault('the JPEG is damaged');
  }
}
