import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it, jest } from '@jest/globals';

const fs = await import('node:fs/promises');
const statfs = jest.fn(fs.statfs);
jest.unstable_mockModule('node:fs/promises', () => ({ ...fs, statfs }));
const { roomOf, withTemporaryFolder } = await import('../../conversion/temporary-folder.ts');

const root = mkdtempSync(join(tmpdir(), 'modelmile-folders-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const module = new URL('../../conversion/temporary-folder.ts', import.meta.url).href;

/** Runs work in a process of its own that has its temporary files in `folder`. */
const run = (folder: string, work: string) =>
  spawnSync(
    process.execPath,
    [
      ...[
        '--import',
        new URL('../../toolchain/typescript.mjs', import.meta.url).href,
        '--input-type=module',
        '-e',
      ],
      `import { withTemporaryFolder } from '${module}';
      process.env.TMPDIR = ${JSON.stringify(folder)};
      await withTemporaryFolder('test', ${work}).catch((error) => console.log(error.code));`,
    ],
    { encoding: 'utf8', cwd: fileURLToPath(new URL('../..', import.meta.url)) },
  );

it('is gone when the work is done, and when it fails', async () => {
  let seen = '';
  const work = async (folder: string) => {
    seen = folder;
    expect(existsSync(folder)).toBe(true);
    throw new Error('of the work');
  };
  await expect(withTemporaryFolder('test', work)).rejects.toThrow('of the work');
  expect(existsSync(seen)).toBe(false);
});

it('is gone when the process ends meanwhile, as Ctrl-C makes it', () => {
  const { status } = run(root, '() => process.exit(130)');
  expect({ status, left: readdirSync(root) }).toEqual({ status: 130, left: [] });
});

it('that cannot be made is told of as such, and no model is called damaged', () => {
  const { stdout } = run(join(root, 'nowhere'), '() => {}');
  expect(stdout).toContain('CONVERSION_NOT_WRITABLE');
});

it('without the room that is needed is refused before the work', async () => {
  const work = async () => {
    throw new Error('never reached');
  };
  await expect(withTemporaryFolder('test', work, 2 ** 60)).rejects.toMatchObject({
    code: 'CONVERSION_NOT_WRITABLE',
  });
});

it('on a file system that does not count its blocks has room, and on a full one none', () => {
  expect(roomOf({ blocks: 0, bavail: 0, bsize: 4096 })).toBe(Number.POSITIVE_INFINITY);
  expect(roomOf({ blocks: 100, bavail: 0, bsize: 4096 })).toBe(0);
  expect(roomOf({ blocks: 100, bavail: 3, bsize: 4096 })).toBe(12288);
});

it('is made where a collection frees the room, of files that nobody holds any more', async () => {
  const withFreeBlocks = (bavail: number) => ({ blocks: 10, bavail, bsize: 2 ** 30 }) as never;
  statfs.mockResolvedValue(withFreeBlocks(0));
  const collecting = globalThis as { gc?: () => void };
  const gc = collecting.gc;
  collecting.gc = () => statfs.mockResolvedValue(withFreeBlocks(1));
  try {
    expect(await withTemporaryFolder('test', async () => 'made', 2 ** 30)).toBe('made');
  } finally {
    statfs.mockImplementation(fs.statfs);
    Object.assign(collecting, { gc });
  }
});
