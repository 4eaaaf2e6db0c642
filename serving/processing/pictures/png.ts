import { crc32, inflateSync } from 'node:zlib';
import { ProcessingFault } from '../fault.ts';
import type { Pixels } from './pixels.ts';

export const pngSignature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

interface Header {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly colour: number;
  readonly isInterlaced: boolean;
}

/** Colour type -> samples a pixel, and the depths that it may have. */
const colours: Readonly<Record<number, { samples: number; depths: readonly number[] }>> = {
  0: { samples: 1, depths: [1, 2, 4, 8, 16] },
  2: { samples: 3, depths: [8, 16] },
  3: { samples: 1, depths: [1, 2, 4, 8] },
  4: { samples: 2, depths: [8, 16] },
  6: { samples: 4, depths: [8, 16] },
};

const isPalette = 3;

/** The passes of Adam7: first column, first row, and the steps; without interlacing there is one. */
const adam7: readonly (readonly [number, number, number, number])[] = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
];
const whole = [[0, 0, 1, 1]] as const;

/** Width and height, from the first chunk. @throws ProcessingFault */
export function pngHeader(bytes: Buffer): Header {
  const bad = (why: string) => new ProcessingFault(`the PNG ${why}`);
  if (bytes.length < 33 || bytes.toString('latin1', 12, 16) !== 'IHDR') throw bad('is cut short');
  const header = {
    width: bytes.readUInt32BE(16),
    height: bytes.readUInt32BE(20),
    depth: bytes[24] as number,
    colour: bytes[25] as number,
    isInterlaced: bytes[28] === 1,
  };
  if (header.width === 0 || header.height === 0) throw bad('has no pixels');
  if (!colours[header.colour]?.depths.includes(header.depth))
    throw bad('has a colour type that does not exist');
  return header;
}

/**
 * Decodes a PNG of any kind as TensorFlow does for three channels: transparency is left out, 16 bits are cut to 8, gray and
 * palettes become colours. Unpacks no more than the size that the header names.
 * @throws ProcessingFault
 * @see https://www.w3.org/TR/png-3/
 */
export function decodePng(bytes: Buffer): Pixels {
  const header = pngHeader(bytes);
  const { palette, packed } = chunksOf(bytes);
  if (header.colour === isPalette && palette.length === 0)
    throw new ProcessingFault('the PNG has no palette');
  const passes = header.isInterlaced ? adam7 : whole;
  const samples = (colours[header.colour] as { samples: number }).samples;
  const lines = passes.map(([x, y, dx, dy]) => {
    const columns = Math.max(0, Math.ceil((header.width - x) / dx));
    const rows = columns === 0 ? 0 : Math.max(0, Math.ceil((header.height - y) / dy));
    return { columns, rows, bytes: Math.ceil((columns * samples * header.depth) / 8) };
  });
  const size = lines.reduce((sum, pass) => sum + pass.rows * (1 + pass.bytes), 0);
  const data = new Uint8Array(header.width * header.height * 3);
  const raw = unpack(packed, size);
  let at = 0;
  for (const [index, [x, y, dx, dy]] of passes.entries()) {
    const { columns, rows, bytes: lineBytes } = lines[index] as (typeof lines)[number];
    unfilter(raw, at, rows, lineBytes, Math.max(1, (samples * header.depth) >> 3));
    for (let row = 0; row < rows; row++) {
      const line = raw.subarray(at + 1, at + 1 + lineBytes);
      const start = ((y + row * dy) * header.width + x) * 3;
      spread(line, columns, header, samples, palette, data, start, dx * 3);
      at += 1 + lineBytes;
    }
  }
  return { width: header.width, height: header.height, stride: 3, data };
}

/** The palette and all image data, checked by their sums. */
function chunksOf(bytes: Buffer): { palette: Buffer; packed: Buffer } {
  const parts: Buffer[] = [];
  let palette: Buffer = Buffer.alloc(0);
  let at = pngSignature.length;
  let type = '';
  while (type !== 'IEND') {
    if (at + 12 > bytes.length) throw new ProcessingFault('the PNG is cut short');
    const length = bytes.readUInt32BE(at);
    type = bytes.toString('latin1', at + 4, at + 8);
    const end = at + 8 + length;
    if (end + 4 > bytes.length) throw new ProcessingFault('the PNG is cut short');
    if (type === 'IHDR' || type === 'PLTE' || type === 'IDAT') {
      if (crc32(bytes.subarray(at + 4, end)) !== bytes.readUInt32BE(end)) {
        throw new ProcessingFault('the PNG is damaged: a checksum does not fit');
      }
      if (type === 'IDAT') parts.push(bytes.subarray(at + 8, end));
      else if (type === 'PLTE') palette = bytes.subarray(at + 8, end);
    }
    at = end + 4;
  }
  return { palette, packed: Buffer.concat(parts) };
}

function unpack(packed: Buffer, size: number): Buffer {
  let raw: Buffer;
  try {
    raw = inflateSync(packed, { maxOutputLength: size });
  } catch {
    throw new ProcessingFault('the PNG is damaged: its data do not unpack to the size that it names');
  }
  if (raw.length === size) return raw;
  throw new ProcessingFault('the PNG is cut short');
}

/** Undoes the filter of each line, in place. `step` is the distance to the same byte of the pixel before. */
function unfilter(raw: Buffer, start: number, rows: number, lineBytes: number, step: number): void {
  for (let row = 0; row < rows; row++) {
    const line = start + row * (1 + lineBytes) + 1;
    const above = row === 0 ? -1 : line - 1 - lineBytes;
    const filter = raw[line - 1] as number;
    if (filter > 4) throw new ProcessingFault('the PNG is damaged: there is no such filter');
    if (filter === 0) continue;
    for (let index = 0; index < lineBytes; index++) {
      const left = index >= step ? (raw[line + index - step] as number) : 0;
      const up = above < 0 ? 0 : (raw[above + index] as number);
      const corner = above < 0 || index < step ? 0 : (raw[above + index - step] as number);
      raw[line + index]! += guess(filter, left, up, corner);
    }
  }
}

function guess(filter: number, left: number, up: number, corner: number): number {
  if (filter === 1) return left;
  if (filter === 2) return up;
  if (filter === 3) return (left + up) >> 1;
  const [toLeft, toUp] = [Math.abs(up - corner), Math.abs(left - corner)];
  const toCorner = Math.abs(left + up - 2 * corner);
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}

/** One line's pixels as red, green, blue, from `start` on, `step` bytes apart. */
function spread(
  line: Buffer,
  columns: number,
  { depth, colour }: Header,
  samples: number,
  palette: Buffer,
  out: Uint8Array,
  start: number,
  step: number,
): void {
  const most = 2 ** depth - 1;
  for (let column = 0; column < columns; column++) {
    const to = start + column * step;
    if (samples >= 3) {
      const from = (column * samples * depth) >> 3;
      const wide = depth >> 3;
      for (let channel = 0; channel < 3; channel++) out[to + channel] = line[from + channel * wide] as number;
      continue;
    }
    const bit = column * samples * depth;
    const sample =
      depth >= 8
        ? (line[bit >> 3] as number)
        : ((line[bit >> 3] as number) >> (8 - depth - (bit & 7))) & most;
    if (colour === isPalette) {
      if (sample * 3 + 2 >= palette.length)
        throw new ProcessingFault('the PNG names a colour beyond its palette');
      for (let channel = 0; channel < 3; channel++)
        out[to + channel] = palette[sample * 3 + channel] as number;
    } else {
      out.fill(depth < 8 ? (sample * 255) / most : sample, to, to + 3);
    }
  }
}
