import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import type { link } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { takeOwnership } from '../../../serving/supervisor/ownership.ts';

const taker = fileURLToPath(new URL('../support/take-ownership.ts', import.meta.url));
/** A pid that nobody has any more. */
const gone = spawnSync(process.execPath, ['-e', '']).pid;
const withoutLinks = (() =>
  Promise.reject(Object.assign(new Error('no links'), { code: 'EPERM' }))) as typeof link;

describe('the owner of a state folder', () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'modelmile-owner-'));
    file = join(folder, 'owner.pid');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it.each([
    ['by a hard link', undefined],
    ['where the file system knows none', withoutLinks],
  ])('is written down whole, %s, and nothing is left beside it', async (_how, makeLink) => {
    const giveBack = await takeOwnership(folder, makeLink);
    expect(readFileSync(file, 'utf8')).toBe(String(process.pid));
    expect(readdirSync(folder)).toEqual(['owner.pid']);
    await giveBack();
    expect(existsSync(file)).toBe(false);
  });

  it('is another process as long as that lives', async () => {
    writeFileSync(file, String(process.ppid));
    await expect(takeOwnership(folder)).rejects.toMatchObject({ code: 'SERVING_ALREADY_RUNNING' });
    expect(readFileSync(file, 'utf8')).toBe(String(process.ppid));
  });

  it('is replaced where its file is empty for long, or a take-over was cut off', async () => {
    writeFileSync(file, '');
    await (await takeOwnership(folder))();
    writeFileSync(file, String(gone));
    const taking = `${file}.taking`;
    mkdirSync(taking);
    spawnSync('touch', ['-d', '1 minute ago', taking]);
    await takeOwnership(folder);
    expect(readdirSync(folder)).toEqual(['owner.pid']);
  });

  it('is who comes while another looks for a file that is gone by now', async () => {
    let takenAway = 0;
    for (let turns = 0; turns < 200; turns++) {
      rmSync(file, { force: true });
      let comes: Promise<boolean> | undefined;
      // Tells the first try that a file is there; some turns later one is.
      const lateLink: typeof link = async (from, to) => {
        if (comes !== undefined) return linkSync(from, to);
        comes = (async () => {
          for (let turn = 0; turn < turns % 50; turn++) await new Promise((next) => setImmediate(next));
          try {
            writeFileSync(file, String(process.ppid), { flag: 'wx' });
            return true;
          } catch {
            return false;
          }
        })();
        throw Object.assign(new Error('there is a file'), { code: 'EEXIST' });
      };
      const isMine = await takeOwnership(folder, lateLink).then(
        () => true,
        () => false,
      );
      if ((await comes) === isMine) takenAway++;
    }
    expect(takenAway).toBe(0);
  });

  it('is one only, where several find the file of a process that is gone', async () => {
    writeFileSync(file, String(gone));
    const takers = Array.from({ length: 6 }, () => fork(taker, [folder], { execArgv: ['--import', 'tsx'] }));
    const say = async (child: ChildProcess) => (await once(child, 'message'))[0];
    await Promise.all(takers.map(say));
    const answers = takers.map(say);
    for (const child of takers) child.send('now');
    const said = await Promise.all(answers);
    for (const child of takers) child.kill();
    expect(said.filter((word) => word === 'mine')).toHaveLength(1);
    expect(said.filter((word) => word === 'SERVING_ALREADY_RUNNING')).toHaveLength(5);
  }, 60_000);
});
