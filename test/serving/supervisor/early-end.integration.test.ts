import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const entry = new URL('../../../toolchain/bin/serve.mjs', import.meta.url).pathname;
const free = { host: '127.0.0.1', port: 0 };

describe('a server that is told to end while its first models are on their way', () => {
  let folder: string;
  let child: ChildProcess;
  /** A repository that never answers. */
  let silent: Server;
  let output = '';

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'modelmile-early-'));
    silent = createServer();
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const settings = {
      modelRoot: `http://127.0.0.1:${(silent.address() as AddressInfo).port}/models`,
      stateDir: join(folder, 'state'),
      rest: free,
      grpc: free,
      management: free,
      models: [{ name: 'm' }],
    };
    await writeFile(join(folder, 'settings.json'), JSON.stringify(settings));
    child = spawn(process.execPath, [entry, '--settings', join(folder, 'settings.json')], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        output += chunk;
      });
    await once(silent, 'request');
  });
  afterAll(async () => {
    child.kill('SIGKILL');
    silent.closeAllConnections();
    silent.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('ends at once with 0, for nobody was answered yet, and gives its folder back', async () => {
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(await readdir(join(folder, 'state'))).not.toContain('owner.pid');
    expect(output).toContain('"msg":"draining"');
    expect(output).not.toContain('"level":50');
  });
});
