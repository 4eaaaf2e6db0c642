import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { deflateSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ProcessingFault } from '../../../serving/processing/fault.ts';
import { decodePicture } from '../../../serving/processing/pictures/decode.ts';
import { pictureRow } from '../../../serving/processing/pictures/picture-input.ts';
import { PictureReader } from '../../../serving/processing/pictures/reader.ts';
import { resize } from '../../../serving/processing/pictures/resize.ts';
import { expected, fixture } from './fixtures.ts';
import { makeNoise } from './noise.ts';

const maxPixels = 1_000_000;
const rgb = async (bytes: Uint8Array) => {
  const { width, height, stride, data } = await decodePicture(bytes, maxPixels);
  const pixels = Buffer.alloc(width * height * 3);
  for (let at = 0; at < width * height; at++) {
    for (let channel = 0; channel < 3; channel++) pixels[at * 3 + channel] = data[at * stride + channel]!;
  }
  return { shape: [height, width, 3], pixels };
};

/** A chunk of a PNG, its sum right. */
function chunk(type: string, body: Buffer): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(4), Buffer.from(type, 'latin1'), body, Buffer.alloc(4)]);
  bytes.writeUInt32BE(body.length);
  let sum = ~0;
  for (const byte of bytes.subarray(4, -4)) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  bytes.writeInt32BE(~sum, bytes.length - 4);
  return bytes;
}

function png(width: number, height: number, raw: Buffer, colour = 2, interlaced = 0): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width);
  header.writeUInt32BE(height, 4);
  header.set([8, colour, 0, 0, interlaced], 8);
  const signature = Buffer.from('89504e470d0a1a0a', 'hex');
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(raw)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

describe('decoding', () => {
  it.each(expected.pictures.map(({ file, shape, sha256 }) => [file, shape, sha256] as const))(
    'gives the pixels of %s that libjpeg and libpng give TensorFlow and Pillow, every one',
    async (file, shape, sha256) => {
      const decoded = await rgb(readFileSync(fixture(file)));
      expect(decoded.shape).toEqual(shape);
      expect(createHash('sha256').update(decoded.pixels).digest('hex')).toBe(sha256);
    },
  );

  it('reads interlaced pictures of every size as it reads plain ones', async () => {
    const passes = [
      [0, 0, 8, 8],
      [4, 0, 8, 8],
      [0, 4, 4, 8],
      [2, 0, 4, 4],
      [0, 2, 2, 4],
      [1, 0, 2, 2],
      [0, 1, 1, 2],
    ] as const;
    const size = fc.integer({ min: 1, max: 19 });
    await fc.assert(
      fc.asyncProperty(
        size,
        size,
        fc.infiniteStream(fc.integer({ min: 0, max: 255 })),
        async (w, h, bytes) => {
          const pixels = Buffer.from(Array.from({ length: w * h * 3 }, () => bytes.next().value as number));
          const line = (xs: number[], y: number) =>
            Buffer.from([
              0,
              ...xs.flatMap((x) => [...pixels.subarray((y * w + x) * 3, (y * w + x) * 3 + 3)]),
            ]);
          const range = (from: number, to: number, step: number) =>
            Array.from(
              { length: Math.max(0, Math.ceil((to - from) / step)) },
              (_, index) => from + index * step,
            );
          const woven = passes.flatMap(([x, y, dx, dy]) => {
            const xs = range(x, w, dx);
            return xs.length === 0 ? [] : range(y, h, dy).map((row) => line(xs, row));
          });
          const decoded = await rgb(png(w, h, Buffer.concat(woven), 2, 1));
          expect(decoded.pixels.equals(pixels)).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('refuses what names too many pixels before it unpacks a byte, and what unpacks to more than it names', async () => {
    const bomb = png(30_000, 30_000, Buffer.alloc(20_000_000));
    const startedMs = performance.now();
    await expect(decodePicture(bomb, maxPixels)).rejects.toThrow('30000 x 30000 pixels');
    expect(performance.now() - startedMs).toBeLessThan(500);
    await expect(decodePicture(png(4, 4, Buffer.alloc(20_000_000)), maxPixels)).rejects.toThrow(
      'do not unpack',
    );
    const huge = Buffer.from(readFileSync(fixture('disc-420.jpg')));
    const frame = huge.indexOf(Buffer.from([0xff, 0xc0]));
    huge.writeUInt16BE(65_500, frame + 5);
    huge.writeUInt16BE(65_500, frame + 7);
    await expect(decodePicture(huge, maxPixels)).rejects.toThrow('65500 x 65500 pixels');
  });

  it('refuses what goes over its pixels again and again, in a few bytes each time', async () => {
    const bytes = readFileSync(fixture('disc-progressive.jpg'));
    const end = bytes.lastIndexOf(Buffer.from([0xff, 0xd9]));
    const scan = bytes.subarray(bytes.lastIndexOf(Buffer.from([0xff, 0xda])), end);
    const repeated = (times: number, between: number[]) => {
      const more = Array.from({ length: times }, () => [Buffer.from(between), scan]).flat();
      return Buffer.concat([bytes.subarray(0, end), ...more, bytes.subarray(end)]);
    };
    await expect(decodePicture(repeated(50, []), maxPixels)).resolves.toMatchObject({ stride: 4 });
    for (const between of [[], [0, 0, 0], [0xff, 0xff]])
      await expect(decodePicture(repeated(200, between), maxPixels)).rejects.toThrow('more than 100 scans');
    // What is behind the picture is not decoded: a film, for example.
    const film = Buffer.concat([bytes, ...Array.from({ length: 200 }, () => scan), bytes.subarray(end)]);
    await expect(decodePicture(film, maxPixels)).resolves.toMatchObject({ stride: 4 });
  });

  it('refuses what is cut short, which decoders fill up with gray, and what is no picture', async () => {
    for (const file of ['disc-420.jpg', 'disc-progressive.jpg', 'cross-rgb.png']) {
      const bytes = readFileSync(fixture(file));
      for (const share of [0.02, 0.3, 0.7, 0.97]) {
        const cut = bytes.subarray(0, Math.floor(bytes.length * share));
        await expect(decodePicture(cut, maxPixels)).rejects.toThrow(ProcessingFault);
      }
    }
    for (const none of ['', 'GIF89a', '<svg/>']) {
      await expect(decodePicture(Buffer.from(none), maxPixels)).rejects.toThrow('neither JPEG nor PNG');
    }
  });

  it('answers every damaged picture with pixels or a sentence, and the next one right', async () => {
    const files = [
      'disc-420.jpg',
      'square-gray.jpg',
      'disc-progressive.jpg',
      'cross-rgb.png',
      'stripes-palette.png',
    ];
    const good = expected.pictures.find(({ file }) => file === 'disc-420.jpg')!;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...files),
        fc.array(fc.tuple(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.integer({ min: 0, max: 255 })), {
          minLength: 1,
          maxLength: 6,
        }),
        async (file, changes) => {
          const bytes = Buffer.from(readFileSync(fixture(file)));
          for (const [place, value] of changes) bytes[Math.floor(place * bytes.length)] = value;
          await decodePicture(bytes, maxPixels).catch((error: unknown) =>
            expect(error).toBeInstanceOf(ProcessingFault),
          );
          const { pixels } = await rgb(readFileSync(fixture(good.file)));
          expect(createHash('sha256').update(pixels).digest('hex')).toBe(good.sha256);
        },
      ),
      { numRuns: 150 },
    );
  }, 60_000);
});

describe('resizing', () => {
  it('gives what tf.image.resize and smart_resize give, up, down and beside', () => {
    const { shape, pixels, rows } = expected.resizes;
    const [height, width] = shape as [number, number];
    for (const { size, resize: method, crop, values } of rows) {
      const image = { height: size[0]!, width: size[1]!, resize: method, crop };
      const made = new Float32Array(values.length);
      resize(
        width,
        height,
        3,
        image,
        (x, y, channel) => pixels[(y * width + x) * 3 + channel]!,
        (x, y, channel, value) => {
          made[(y * image.width + x) * 3 + channel] = value;
        },
      );
      const farthest = Math.max(...values.map((value, index) => Math.abs(value - made[index]!)));
      expect([size, method, crop, farthest < 1e-4]).toEqual([size, method, crop, true]);
    }
  });
});

describe('a picture as an input', () => {
  const whole = { resize: 'nearest', crop: false, scale: 1, offset: 0, mean: 0, std: 1 } as const;
  const pixels = Buffer.from([0, 10, 20, 30, 40, 50, 60, 0, 70, 80, 90, 100, 110, 120]);
  const picture = png(2, 2, Buffer.from([...pixels.subarray(0, 7), ...pixels.subarray(7)]));
  const row = async (image: object, dtype = 'float32') => {
    const target = { ...whole, width: 2, height: 2, channels: 'rgb', layout: 'channels-last', ...image };
    return [...((await pictureRow(picture, { image: target as never, dtype, maxPixels })) as Float32Array)];
  };

  it('has its channels in the order and the layout that the model takes', async () => {
    const plain = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120];
    expect(await row({})).toEqual(plain);
    expect(await row({ channels: 'bgr' })).toEqual([30, 20, 10, 60, 50, 40, 90, 80, 70, 120, 110, 100]);
    expect(await row({ layout: 'channels-first' })).toEqual([
      10, 40, 70, 100, 20, 50, 80, 110, 30, 60, 90, 120,
    ]);
    expect(await row({}, 'uint8')).toEqual(plain);
    // Pillow: round(0.299 r + 0.587 g + 0.114 b).
    expect(await row({ channels: 'gray' })).toEqual([18, 48, 78, 108]);
  });

  it('is scaled and normalised by channel, each step in float32', async () => {
    const { fround } = Math;
    const [first, second] = await row({
      scale: 1 / 255,
      mean: [0.485, 0.456, 0.406],
      std: [0.229, 0.224, 0.225],
    });
    const by = (value: number, mean: number, std: number) =>
      fround(fround(fround(value * fround(1 / 255)) - fround(mean)) / fround(std));
    expect([first, second]).toEqual([by(10, 0.485, 0.229), by(20, 0.456, 0.224)]);
  });
});

describe('the reader', () => {
  const pair = {
    image: {
      height: 2,
      width: 2,
      channels: 'rgb',
      resize: 'nearest',
      crop: false,
      layout: 'channels-last',
      scale: 1,
      offset: 0,
      mean: 0,
      std: 1,
    },
    dtype: 'float32',
    maxPixels: 100_000_000,
  } as const;

  it('gives up a picture at its deadline and reads the next one', async () => {
    const reader = new PictureReader();
    const read = (bytes: Uint8Array, afterMs: number) =>
      reader.row(bytes, pair, performance.now() + afterMs, undefined);
    const small = readFileSync(fixture('cross-rgb.png'));
    expect(await read(small, 60_000)).toHaveLength(12);
    const large = makeNoise(3000, 3000);
    const late = read(large, 30);
    const behind = read(small, 60_000);
    await expect(late).rejects.toMatchObject({ code: 'SERVING_DEADLINE' });
    expect(await behind).toHaveLength(12);
    await expect(read(small, -1)).rejects.toMatchObject({ code: 'SERVING_DEADLINE' });
  }, 60_000);

  it('gives up thousands that waited for longer than they could, and reads the next one', async () => {
    const reader = new PictureReader();
    const read = (bytes: Uint8Array, afterMs: number) =>
      reader.row(bytes, pair, performance.now() + afterMs, undefined);
    const small = readFileSync(fixture('cross-rgb.png'));
    const first = read(makeNoise(3000, 3000), 300);
    const late = Array.from({ length: 20_000 }, () => read(small, 200));
    const behind = read(small, 60_000);
    const ended = await Promise.allSettled([first, ...late]);
    expect(new Set(ended.map((each) => each.status === 'rejected' && each.reason.code))).toEqual(
      new Set(['SERVING_DEADLINE']),
    );
    expect(await behind).toHaveLength(12);
  }, 60_000);
});
