import { crc32, deflateSync } from 'node:zlib';

const chunk = (type: string, body: Buffer) => {
  const bytes = Buffer.concat([Buffer.alloc(4), Buffer.from(type, 'latin1'), body, Buffer.alloc(4)]);
  bytes.writeUInt32BE(body.length);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, -4)), bytes.length - 4);
  return bytes;
};

/** A PNG of noise, filtered line by line: as slow to decode as a picture of its size can be. */
export function makeNoise(width: number, height: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const line = 1 + 3 * width;
  let state = 1;
  const raw = Buffer.from(
    Array.from({ length: line * height }, (_, at) => {
      if (at % line === 0) return 4;
      state = (state * 16807) % 2147483647;
      return state & 255;
    }),
  );
  const parts = [
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(raw, { level: 1 })),
    chunk('IEND', Buffer.alloc(0)),
  ];
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), ...parts]);
}
