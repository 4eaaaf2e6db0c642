import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { bytesOf, type Conversion, convert, KeptVersions } from '../../conversion/index.ts';
import { writeToy } from './toy-model.ts';

let folder: string;
let kept: KeptVersions;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modelmile-kept-'));
  kept = new KeptVersions(join(folder, 'kept'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A version of its own for each number. */
const version = async (number: number): Promise<Conversion> =>
  convert(await writeToy(join(folder, `source-${number}`), [number, 0, 0, 1]));

/** Keeps a version as if it had been kept `number` minutes after the epoch: file systems differ in how fine their times are. */
async function keepAt(number: number): Promise<Conversion> {
  const conversion = await version(number);
  await kept.keep('toy', conversion);
  await utimes(kept.folder('toy', conversion.digest), number * 60, number * 60);
  return conversion;
}

const crown = (digest: string) =>
  kept.crown({ model: 'toy', digest, insteadOf: 'b'.repeat(64), reason: 'rollback', atMs: 1 });
const digests = async () => (await kept.list('toy')).map(({ digest }) => digest);

describe('kept versions', () => {
  it('are the last five, newest first, and what reads back is what was kept', async () => {
    const all: Conversion[] = [];
    for (let number = 1; number <= 6; number++) all.push(await keepAt(number));
    const last = all.slice(1).reverse();
    expect(await digests()).toEqual(last.map(({ digest }) => digest));
    const [newest] = last;
    const read = await kept.read('toy', newest!.digest);
    expect(read.files.get('model.onnx')).toEqual(Buffer.from(bytesOf(newest!.files.get('model.onnx')!)));
  });

  it('never lose the champion, nor what is still needed', async () => {
    const first = await keepAt(1);
    const second = await keepAt(2);
    await crown(first.digest);
    for (let number = 3; number <= 6; number++) await keepAt(number);
    await kept.keep('toy', await version(7), [second.digest]);
    expect(await digests()).toEqual(expect.arrayContaining([first.digest, second.digest]));
  });

  it('that are damaged are none, and stand in nobody’s way', async () => {
    const damaged = await keepAt(1);
    const sound = await keepAt(2);
    await writeFile(join(kept.folder('toy', damaged.digest), 'manifest.json'), '{');
    expect(await digests()).toEqual([sound.digest]);
  });

  it('move their champion whole: whoever reads meanwhile sees the old or the new one', async () => {
    const [a, b] = [await keepAt(1), await keepAt(2)];
    await crown(a.digest);
    let reading = true;
    const seen = new Set<string>();
    const reader = (async () => {
      while (reading) seen.add((await kept.champion('toy'))!.digest);
    })();
    for (let i = 0; i < 50; i++) await crown(i % 2 === 0 ? b.digest : a.digest);
    reading = false;
    await reader;
    expect([...seen].every((digest) => digest === a.digest || digest === b.digest)).toBe(true);
    expect((await kept.champion('toy'))?.digest).toBe(a.digest);
    expect((await readdir(join(folder, 'kept', 'toy'))).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  it('of a model that nobody knows are none', async () => {
    expect(await kept.list('nobody')).toEqual([]);
    expect(await kept.champion('nobody')).toBeUndefined();
  });
});
