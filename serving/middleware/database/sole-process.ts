import { connect, createServer } from 'node:net';
import { controlSocketPath } from '../../contract/index.ts';
import { listenPrivately } from '../../private-socket.ts';

/** Nothing that a database does takes longer. */
const patienceMs = 30_000;

/** Resolves when the process that listens there is gone, or at once where there is none. @throws Error where it does not go */
function gone(path: string, folder: string, waitMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const other = connect(path);
    const late = () => {
      other.destroy();
      reject(new Error(`another process still uses ${folder} (${path})`));
    };
    const patience = setTimeout(late, waitMs);
    other.once('error', () => {});
    other.once('close', () => {
      clearTimeout(patience);
      resolve();
    });
  });
}

/**
 * Makes this the only process of a folder, until it ends. One whose server was killed may still be at something, and notices only
 * behind it: it is waited for. A socket tells, for the system closes it with the process, whatever that dies of; a number in a file
 * may be another process's by then.
 * @throws Error where the other one stays
 */
export async function beSoleProcessOf(folder: string, waitMs = patienceMs): Promise<void> {
  const path = controlSocketPath(folder);
  await gone(path, folder, waitMs);
  const server = createServer((other) => other.on('error', () => {}).resume());
  await listenPrivately(server, path);
  server.unref();
}
