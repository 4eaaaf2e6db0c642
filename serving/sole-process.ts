import { rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { controlSocketPath } from './contract/index.ts';
import { listenPrivately, makeFolderOf } from './private-socket.ts';
import { mayTake } from './taking.ts';

/** Another process uses the folder, and goes on with it. */
export class StillUsed extends Error {
  override readonly name = 'StillUsed';
}

const lookAgainMs = 25;
/** How it is told that no process listens at a socket. */
const nobody: readonly (string | undefined)[] = ['ENOENT', 'ECONNREFUSED'];
const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code;

/** A connection to the process that listens there; undefined where there is none. */
function reach(path: string): Promise<Socket | undefined> {
  return new Promise((resolve, reject) => {
    const other = connect(path, () => resolve(other.resume()));
    other.on('error', (error) => (nobody.includes(codeOf(error)) ? resolve(undefined) : reject(error)));
  });
}

/** Resolves when the process at the other end is gone. @throws StillUsed where it does not go */
async function gone(other: Socket, folder: string, waitMs: number): Promise<void> {
  const untilMs = performance.now() + waitMs;
  while (!other.closed && performance.now() < untilMs) await wait(lookAgainMs);
  if (other.closed) return;
  other.destroy();
  throw new StillUsed(`another process still uses ${folder}`);
}

/**
 * Makes this the only process of a folder or file, until it ends. One whose parent was killed may still be at something, and notices
 * only behind it: it is waited for. A socket tells, for the system closes it with the process, whatever that dies of; a number in a
 * file may be another process's by then.
 * @throws StillUsed where the other one stays
 */
export async function beSoleProcessOf(folder: string, waitMs: number): Promise<void> {
  const path = controlSocketPath(folder);
  const taking = `${path}.taking`;
  const untilMs = performance.now() + waitMs;
  await makeFolderOf(path);
  for (;;) {
    // Two that listen at the same pipe are none on Windows.
    if (process.platform !== 'win32' && !(await mayTake(taking))) continue;
    let other: Socket | undefined;
    // One at a time, or what the second takes for a socket that was left would be the first one's.
    try {
      other = await reach(path);
      if (other === undefined) {
        const server = createServer((each) => each.on('error', () => {}).resume());
        await listenPrivately(server, path);
        server.unref();
        return;
      }
    } finally {
      await rm(taking, { recursive: true, force: true });
    }
    await gone(other, folder, untilMs - performance.now());
  }
}
