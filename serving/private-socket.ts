import { once } from 'node:events';
import { chmod, mkdir, rm } from 'node:fs/promises';
import type { Server } from 'node:net';
import { dirname } from 'node:path';

/** Makes the folder of a socket, where only this user can enter. */
export async function makeFolderOf(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await chmod(dirname(path), 0o700);
}

/** Listens where only this user can enter, in the place of what a process that was killed left there. */
export async function listenPrivately(server: Server, path: string): Promise<void> {
  await makeFolderOf(path);
  if (process.platform !== 'win32') await rm(path, { force: true });
  server.listen(path);
  await once(server, 'listening');
}
