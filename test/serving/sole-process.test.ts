import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from '@jest/globals';
import { controlSocketPath } from '../../serving/contract/index.ts';
import { beSoleProcessOf } from '../../serving/sole-process.ts';
import { runNode } from '../support/run-node.ts';

const beginner = fileURLToPath(new URL('support/be-sole-process.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'modelmile-sole-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A process that was the only one, and was killed: its socket stays. */
async function leaveSocket(of: string): Promise<string> {
  const path = controlSocketPath(of);
  const listen = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  mkdirSync(join(path, '..'), { recursive: true, mode: 0o700 });
  await runNode(['-e', listen], { cwd: folder });
  expect(existsSync(path)).toBe(true);
  return path;
}

describe('the only process of a folder', () => {
  it.each([
    ['there is nothing', async () => ''],
    ['there is the socket of one that was killed', leaveSocket],
  ])(
    'is one of those that begin at the same time where %s',
    async (what, prepare) => {
      const children = Array.from({ length: 4 }, () => fork(beginner, { execArgv: ['--import', 'tsx'] }));
      const said = () => Promise.all(children.map(async (child) => (await once(child, 'message'))[0]));
      try {
        await said();
        for (let round = 0; round < 8; round++) {
          const of = join(folder, `${what} ${round}`);
          await prepare(of);
          const answers = said();
          for (const child of children) child.send(of);
          expect((await answers).sort()).toEqual(['StillUsed', 'StillUsed', 'StillUsed', 'sole']);
        }
      } finally {
        for (const child of children) child.kill('SIGKILL');
      }
    },
    60_000,
  );

  it('follows one that was killed while it took the folder', async () => {
    const of = join(folder, 'cut off');
    const taking = `${await leaveSocket(of)}.taking`;
    mkdirSync(taking);
    utimesSync(taking, 0, 0);
    await beSoleProcessOf(of, 500);
    await expect(beSoleProcessOf(of, 50)).rejects.toThrow('another process still uses');
    expect(existsSync(taking)).toBe(false);
  });
});
