import { ProcessingFault } from '../fault.ts';
import { decodeJpeg, jpegHeader } from './jpeg.ts';
import type { Pixels } from './pixels.ts';
import { decodePng, pngHeader, pngSignature } from './png.ts';

interface Format {
  readonly magic: Buffer;
  size(bytes: Buffer): { readonly width: number; readonly height: number };
  decode(bytes: Buffer): Pixels | Promise<Pixels>;
}

/** Every format that is taken, by its first bytes. */
const formats: readonly Format[] = [
  { magic: Buffer.from([0xff, 0xd8, 0xff]), size: jpegHeader, decode: decodeJpeg },
  { magic: pngSignature, size: pngHeader, decode: decodePng },
];

/**
 * Decodes a picture. One that names more pixels than `maxPixels` is refused before a byte is unpacked.
 * @throws ProcessingFault
 */
export async function decodePicture(picture: Uint8Array, maxPixels: number): Promise<Pixels> {
  const bytes = Buffer.from(picture.buffer, picture.byteOffset, picture.byteLength);
  const format = formats.find(({ magic }) => bytes.subarray(0, magic.length).equals(magic));
  if (format === undefined) throw new ProcessingFault('it is neither JPEG nor PNG');
  const { width, height } = format.size(bytes);
  if (width * height <= maxPixels) return format.decode(bytes);
  throw new ProcessingFault(`it has ${width} x ${height} pixels, ${maxPixels} are taken at most`);
}
