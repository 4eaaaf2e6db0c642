import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { assertFolderCanBe, makeFolder } from '../../conversion/make-folder.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'modelmile-folder-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('makes a folder with all that it lies in, also where others make it at the same time or it is there', async () => {
  const path = join(folder, 'a', 'b', 'c');
  await Promise.all(Array.from({ length: 8 }, () => makeFolder(path)));
  await makeFolder(path);
  expect(existsSync(path)).toBe(true);
});

it('fails where a file is in the way', async () => {
  writeFileSync(join(folder, 'file'), '');
  await expect(makeFolder(join(folder, 'file', 'x', 'y'))).rejects.toMatchObject({ code: 'ENOTDIR' });
});

it('tells before whether a folder can be, and leaves nothing', async () => {
  mkdirSync(join(folder, 'empty'));
  await assertFolderCanBe(join(folder, 'empty', 'x', '1'));
  expect(readdirSync(join(folder, 'empty'))).toEqual([]);
  writeFileSync(join(folder, 'way'), '');
  await expect(assertFolderCanBe(join(folder, 'way', 'x', '1'))).rejects.toMatchObject({
    code: 'CONVERSION_NOT_WRITABLE',
  });
});
