import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { repository } from '../support/checkout.ts';

const shell = promisify(execFile);
const started: ChildProcess[] = [];

/** What `modelmile serve` says, line by line, until it has said all it has to say. */
async function serve(folder: string, ...args: string[]) {
  const child = spawn(process.execPath, [join(repository, 'toolchain/bin/modelmile.mjs'), 'serve', ...args], {
    cwd: folder,
    env: { ...process.env, NO_COLOR: '1', NODE_OPTIONS: '', MODELMILE_HOME: join(folder, 'home') },
  });
  started.push(child);
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  let said = '';
  await new Promise<void>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        if (said.includes('Ctrl-C stops it.')) resolve();
      });
    }
    void ended.then(() => reject(new Error(said)));
  });
  const stop = (signal: NodeJS.Signals) => {
    child.kill(signal);
    return ended;
  };
  return { said, stop };
}

const freePorts = ['--port', '0', '--grpc-port', '0', '--management-port', '0', '--workers', '1'];

describe('any model in one command, from a folder with nothing else in it', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'modelmile-serve-'));
  });
  afterAll(() => {
    for (const child of started) child.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  it('gates and serves two inputs and two outputs; the line that it prints works when it is pasted', async () => {
    cpSync(join(repository, 'test/conversion/fixtures/keras3-functional.h5'), join(folder, 'my model.h5'));
    const { said, stop } = await serve(folder, 'my model.h5', ...freePorts);
    const line = /^try +(curl .*)$/m.exec(said)?.[1] as string;
    const { stdout } = await shell('sh', ['-c', `${line} --silent --fail`], { cwd: tmpdir() });
    const { outputs } = JSON.parse(stdout) as { outputs: Record<string, number[][]> };
    expect(Object.values(outputs).map(([row]) => row?.length)).toEqual([3, 2]);

    const page = await fetch(/^console +(\S+)$/m.exec(said)?.[1] as string);
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    await page.text();
    expect(said).toMatch(/^model +my-model version 1$/m);
    expect(said).toMatch(/^inputs +x .*, y /m);
    expect(await stop('SIGINT')).toBe(0);
    expect(readdirSync(folder).sort()).toEqual(['home', 'my model.h5']);
  }, 120_000);

  it('serves under the name that is asked for, and not under that of an earlier run too', async () => {
    const model = join(repository, 'test/conversion/fixtures/keras3-functional.h5');
    for (const name of ['first', 'second']) {
      const { said, stop } = await serve(folder, model, '--name', name, ...freePorts);
      expect(said.match(/^model .*$/gm)).toEqual([`model    ${name} version 1`]);
      expect(await stop('SIGTERM')).toBe(0);
    }
  }, 120_000);

  it('says how it is served beside what has the port, or the same model', async () => {
    const model = join(repository, 'test/conversion/fixtures/keras3-functional.h5');
    const { said, stop } = await serve(folder, model, ...freePorts);
    const port = new URL(/^console +(\S+)$/m.exec(said)?.[1] as string).port;
    await expect(serve(folder, model, ...freePorts)).rejects.toThrow(/another --port N or another --name/);
    await expect(serve(folder, model, '--port', port, ...freePorts.slice(2))).rejects.toThrow(
      /SERVING_PORT_IN_USE.*--port 0 --grpc-port 0 --management-port 0/,
    );
    expect(await stop('SIGTERM')).toBe(0);
  }, 120_000);

  it.each(['SIGKILL', 'SIGHUP'] as const)(
    'leaves no server behind when %s ends the command',
    async (signal) => {
      const model = join(repository, 'test/conversion/fixtures/keras3-functional.h5');
      const { said, stop } = await serve(folder, model, ...freePorts);
      const page = /^console +(\S+)$/m.exec(said)?.[1] as string;
      await stop(signal);
      const deadline = Date.now() + 20_000;
      const answers = () =>
        fetch(page).then(
          () => true,
          () => false,
        );
      while ((await answers()) && Date.now() < deadline) await sleep(100);
      expect(await answers()).toBe(false);
    },
    120_000,
  );

  it("serves the README's model, and what it says of an ONNX file that convert wrote is the same", async () => {
    const model = join(repository, 'samples/digits/model.h5');
    const first = await serve(folder, model, ...freePorts);
    expect(await first.stop('SIGTERM')).toBe(0);
    const out = join(folder, 'digits', '1');
    await shell(process.execPath, [
      join(repository, 'toolchain/bin/modelmile.mjs'),
      'convert',
      model,
      '--out',
      out,
    ]);
    const second = await serve(folder, join(out, 'model.onnx'), '--name', 'model', ...freePorts);
    expect(await second.stop('SIGTERM')).toBe(0);
    const told = (said: string) => said.split('\n').filter((line) => /^(model|inputs|outputs) /.test(line));
    expect(told(second.said)).toEqual(told(first.said));
    expect(told(first.said)).toHaveLength(3);
  }, 120_000);
});
