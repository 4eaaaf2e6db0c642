import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from '@jest/globals';

const guard = new URL('../../toolchain/end-with-parent.mjs', import.meta.url).href;
const host = fileURLToPath(new URL('../../toolchain/language-host/host.mjs', import.meta.url));
const server = createServer();
let child: ChildProcess | undefined;

afterEach(() => {
  child?.kill('SIGKILL');
  server.close();
});

/** What an engine starts with its address, while this process stays its parent. */
const started = (port: number) =>
  spawn(
    process.execPath,
    [
      '--import',
      guard,
      '-e',
      'setInterval(() => {}, 1000); process.stdout.write("up")',
      '--',
      `127.0.0.1:${port}`,
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );

async function engine(): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

it('what was started for an engine that is gone already ends by itself', async () => {
  const port = await engine();
  server.close();
  child = started(port);
  expect((await once(child, 'exit'))[0]).toBe(1);
  child = spawn(process.execPath, [host, `127.0.0.1:${port}`], { stdio: 'ignore' });
  expect((await once(child, 'exit'))[0]).toBe(1);
}, 30_000);

it('what was started for an engine that answers goes on', async () => {
  child = started(await engine());
  const asked = once(server, 'connection');
  await once(child.stdout!, 'data');
  await asked;
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(child.exitCode).toBeNull();
}, 30_000);
