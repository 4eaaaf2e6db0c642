import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeEach, describe, expect, it } from '@jest/globals';
import { bytesOf, chunksOf, inMemory, StoredFile, sha256Of } from '../../conversion/version-files.ts';
import { writeVersion } from '../../conversion/version-folder.ts';

const work = mkdtempSync(join(tmpdir(), 'modelmile-files-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const path = join(work, 'weights');
const onDisk = Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 31 + (i >> 9)) % 256);
const between = new TextEncoder().encode('what is between');
/** Two stretches of the file, in another order, and bytes that are in none. */
const whole = Buffer.concat([between, onDisk.subarray(4096), between, between, onDisk.subarray(10, 1000)]);
const stored = () =>
  new StoredFile(path, [
    between,
    { offset: 4096, length: onDisk.length - 4096 },
    between,
    new Uint8Array(),
    between,
    { offset: 10, length: 990 },
  ]);
beforeEach(() => writeFileSync(path, onDisk));

describe('a file of a version that lies on the disk', () => {
  it('has the bytes and the digest of its stretches, of which a mebibyte is in memory at once', () => {
    const file = stored();
    expect(file.length).toBe(whole.length);
    const lengths: number[] = [];
    const seen = createHash('sha256');
    for (const chunk of chunksOf(file)) {
      lengths.push(chunk.length);
      seen.update(chunk);
    }
    expect(lengths).toEqual([2 ** 20, 2 ** 20, whole.length - 2 ** 21]);
    expect(seen.digest('hex')).toBe(sha256Of(whole));
    expect(sha256Of(file)).toBe(sha256Of(whole));
    expect(Buffer.compare(bytesOf(file), whole)).toBe(0);
  });

  it('is written as what it is, again and again', async () => {
    const files = new Map([['model.onnx', stored()]]);
    for (const version of ['1', '2']) {
      await writeVersion({ files }, join(work, version));
      expect(Buffer.compare(readFileSync(join(work, version, 'model.onnx')), whole)).toBe(0);
    }
    expect(Buffer.compare(inMemory(files).get('model.onnx')!, whole)).toBe(0);
  });

  it('is there still when its name is gone', () => {
    const file = stored();
    rmSync(path);
    expect(Buffer.compare(bytesOf(file), whole)).toBe(0);
  });

  it('is refused where it was cut, and nothing is written', async () => {
    const file = stored();
    truncateSync(path, 100_000);
    const refused = expect.objectContaining({ code: 'CONVERSION_NOT_WRITABLE' });
    expect(() => bytesOf(file)).toThrow(refused);
    expect(() => sha256Of(file)).toThrow(refused);
    const before = readdirSync(work);
    await expect(writeVersion({ files: new Map([['model.onnx', file]]) }, join(work, 'cut'))).rejects.toEqual(
      refused,
    );
    expect(readdirSync(work)).toEqual(before);
  });

  (existsSync('/proc/self/fd') ? it : it.skip)('takes no room once nobody holds it', async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    const isOpen = () =>
      readdirSync('/proc/self/fd').some((descriptor) => {
        try {
          return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith(`${path}.held`);
        } catch {
          return false;
        }
      });
    const hold = () => {
      writeFileSync(`${path}.held`, onDisk);
      const file = new StoredFile(`${path}.held`, [{ offset: 0, length: 10 }]);
      rmSync(`${path}.held`);
      expect(isOpen()).toBe(true);
      return bytesOf(file).length;
    };
    expect(hold()).toBe(10);
    for (let tries = 0; isOpen() && tries < 100; tries++) {
      collectGarbage();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(isOpen()).toBe(false);
  });
});
