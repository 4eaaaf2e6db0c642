import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { inflateSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  accuracyOf,
  type Conversion,
  convert,
  type LabelledSet,
  readLabelledSet,
  writeVersion,
} from '../../conversion/index.ts';
import { encodeNpz } from '../../training/npz.ts';

const exec = promisify(execFile);
const sample = fileURLToPath(new URL('../../samples/digits/', import.meta.url));
const sizeOf = (name: string) => statSync(join(sample, name)).size;

let train: LabelledSet;
let heldout: LabelledSet;
let champion: Conversion;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modelmile-digits-'));
  train = await readLabelledSet(join(sample, 'train.npz'));
  heldout = await readLabelledSet(join(sample, 'heldout.npz'));
  champion = await convert(join(sample, 'model.h5'), { labels: join(sample, 'heldout.npz') });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const rowOf = ({ inputs, rowSize }: LabelledSet, row: number) =>
  inputs.subarray(row * rowSize, (row + 1) * rowSize);
const accuracy = async ({ files, manifest }: Conversion) =>
  (await accuracyOf(files, manifest.signatures['serving_default']!, heldout)).value;

/** Pixels of a PNG with 8 bits of grey. @see https://www.w3.org/TR/png-3/#9Filters */
function grey(png: Buffer): { width: number; height: number; data: Uint8Array } {
  const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)];
  expect([...png.subarray(24, 29)]).toEqual([8, 0, 0, 0, 0]);
  const parts: Buffer[] = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT')
      parts.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  }
  const raw = inflateSync(Buffer.concat(parts));
  const data = new Uint8Array(width * height);
  const pixel = (x: number, y: number) => (x < 0 || y < 0 ? 0 : (data[y * width + x] as number));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [left, up, corner] = [pixel(x - 1, y), pixel(x, y - 1), pixel(x - 1, y - 1)];
      const [dl, du, dc] = [up - corner, left - corner, left + up - 2 * corner].map(Math.abs) as [
        number,
        number,
        number,
      ];
      const paeth = dl <= du && dl <= dc ? left : du <= dc ? up : corner;
      const guess = [0, left, up, (left + up) >> 1, paeth][raw[y * (width + 1)] as number] as number;
      data[y * width + x] = (raw[y * (width + 1) + 1 + x] as number) + guess;
    }
  }
  return { width, height, data };
}

describe('the digits', () => {
  it('are small, scaled to 0..1, of every class about equally often, and each can be seen', () => {
    expect(sizeOf('train.npz') + sizeOf('heldout.npz')).toBeLessThanOrEqual(5_000_000);
    for (const set of [train, heldout]) {
      expect(set.rowSize).toBe(784);
      expect(set.inputs.every((pixel) => pixel >= 0 && pixel <= 1)).toBe(true);
      for (let label = 0; label < 10; label++) {
        const share = set.labels.filter((each) => each === label).length / set.rows;
        expect(Math.abs(share - 0.1)).toBeLessThan(0.025);
      }
      const brightest = Array.from({ length: set.rows }, (_, row) => Math.max(...rowOf(set, row)));
      expect(Math.min(...brightest)).toBeGreaterThan(0.3);
    }
  });

  it('that decide are none of those that were trained on', () => {
    const key = (set: LabelledSet, row: number) =>
      Buffer.from(Float32Array.from(rowOf(set, row)).buffer).toString('latin1');
    const trained = new Set(Array.from({ length: train.rows }, (_, row) => key(train, row)));
    const known = heldout.labels.filter((_, row) => trained.has(key(heldout, row)));
    expect(known).toEqual([]);
  });

  it('are there as pictures, one of each class', () => {
    expect(readdirSync(join(sample, 'examples')).sort()).toEqual(
      Array.from({ length: 10 }, (_, i) => `${i}.png`),
    );
    for (let digit = 0; digit < 10; digit++) {
      const { width, height, data } = grey(readFileSync(join(sample, 'examples', `${digit}.png`)));
      expect([width, height]).toEqual([28, 28]);
      const pixels = Array.from(data, (value) => Math.fround(value * Math.fround(1 / 255)));
      expect(pixels).toEqual([...rowOf(heldout, heldout.labels.indexOf(digit))]);
    }
  });
});

describe("the sample's model", () => {
  it('is as accurate converted as TensorFlow says it is, row for row', () => {
    const reported = JSON.parse(readFileSync(join(sample, 'metrics.json'), 'utf8')) as Record<string, number>;
    expect(champion.manifest.accuracy?.value).toBe(reported['heldoutAccuracy']);
    expect(champion.manifest.accuracy?.samples).toBe(reported['heldoutRows']);
    expect(reported['trainRows']).toBe(train.rows);
    expect(reported['heldoutAccuracy']).toBeGreaterThan(0.95);
  });

  it('is what the committed profile measured, as the stacks that size by it convert it', () => {
    const profile = JSON.parse(readFileSync(join(sample, 'profile.json'), 'utf8')) as { digest: string };
    expect(profile.digest).toBe(champion.digest);
  });
});

/** What a trainer makes of the first rows of the data, with 20 rows of feedback. */
async function trained(
  command: readonly [string, ...string[]],
  output: string,
  rows: number,
  epochs: number,
) {
  const set = (from: number, count: number) =>
    encodeNpz(
      Float32Array.from(train.inputs.subarray(from * 784, (from + count) * 784)),
      Int32Array.from(train.labels.slice(from, from + count)),
    );
  const path = (name: string) => join(folder, name);
  await writeFile(path('base.npz'), set(0, rows));
  await writeFile(path('feedback.npz'), set(rows, 20));
  await writeVersion(champion, path('champion'));
  const job = {
    model: 'model',
    base: path('base.npz'),
    feedback: path('feedback.npz'),
    champion: path('champion'),
    output: path(output),
    epochs,
    seed: 1,
  };
  await writeFile(path('job.json'), JSON.stringify(job));
  await exec(command[0], [...command.slice(1), '--job', path('job.json')], { cwd: sample });
  return convert(path(output));
}

describe('the trainers', () => {
  const { trainers } = JSON.parse(readFileSync(join(sample, 'training.json'), 'utf8')) as {
    trainers: Record<string, { command: string[]; output: string }>;
  };
  const script = (name: string) => trainers[name]!.command.slice(1);

  it('train with nothing but Node, on from the champion, with the same signature and the same bytes each time', async () => {
    const command = [process.execPath, ...script('node')] as const;
    const challenger = await trained(command, trainers['node']!.output, 300, 1);
    expect(challenger.manifest.signatures).toEqual(champion.manifest.signatures);
    // From nothing, one epoch of 300 rows would not come near.
    expect(await accuracy(challenger)).toBeGreaterThan(0.96);
    expect(await accuracy(challenger)).not.toBe(await accuracy(champion));
    const again = await trained(command, trainers['node']!.output, 300, 1);
    expect(again.digest).toBe(challenger.digest);
  });

  // A Python with samples/digits/requirements.txt installed.
  const python = process.env['MODELMILE_PYTHON'];
  const withPython = (python !== undefined && existsSync(python) ? it : it.skip) as typeof it;
  withPython(
    'train with TensorFlow, with the same signature',
    async () => {
      const challenger = await trained(
        [python as string, ...script('tensorflow')],
        trainers['tensorflow']!.output,
        4000,
        3,
      );
      expect(challenger.manifest.signatures).toEqual(champion.manifest.signatures);
      // From nothing, with a seventh of the data: chance is 0.1.
      expect(await accuracy(challenger)).toBeGreaterThan(0.5);
    },
    180_000,
  );
});
