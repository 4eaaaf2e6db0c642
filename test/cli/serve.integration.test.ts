import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { repository } from '../support/checkout.ts';
import { runNode } from '../support/run-node.ts';

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

  it('gives out its feedback, and of two with a model of that name says how one is chosen', async () => {
    const model = join(repository, 'test/conversion/fixtures/keras3-functional.h5');
    const servers = [
      await serve(folder, model, '--name', 'told', ...freePorts),
      await serve(folder, join(repository, 'samples/digits/model.h5'), '--name', 'told', ...freePorts),
    ] as const;
    const [first, second] = servers.map(({ said }) => new URL(/^console +(\S+)$/m.exec(said)?.[1] as string));
    const line = /^try +(curl .*)$/m.exec(servers[0].said)?.[1] as string;
    const { stdout } = await shell('sh', ['-c', `${line} --silent --fail --include`], { cwd: tmpdir() });
    const predictionId = /^x-modelmile-prediction-id: (\S+)/im.exec(stdout)?.[1];
    const given = await fetch(new URL('/v1/models/told:feedback', first), {
      method: 'POST',
      body: JSON.stringify({ predictionId, label: 1 }),
    });
    expect([given.status, await given.text()]).toEqual([200, expect.any(String)]);

    const bin = join(repository, 'toolchain/bin/modelmile.mjs');
    const exported = (...args: string[]) =>
      runNode([bin, 'feedback', 'export', 'told', ...args], {
        cwd: folder,
        env: { MODELMILE_HOME: join(folder, 'home') },
      });
    const unchosen = await exported();
    expect(unchosen.code).toBe(1);
    expect(unchosen.stderr).toMatch(/'told' is served by several: .*Choose one with --port N/);
    for (const { port } of [first as URL, second as URL])
      expect(unchosen.stderr).toContain(`--port ${port} (`);
    expect((await exported('--port', '1')).stderr).toContain('No server answers at --port 1');
    expect((await exported('--port', (first as URL).port, '--out', 'first.jsonl')).code).toBe(0);
    expect(await servers[1].stop('SIGTERM')).toBe(0);
    expect((await exported()).code).toBe(0);
    const [chosen, only] = ['first.jsonl', 'feedback.jsonl'].map((name) =>
      readFileSync(join(folder, name), 'utf8'),
    );
    expect(JSON.parse(only as string)).toMatchObject({ predictionId, label: 1 });
    expect(chosen).toBe(only);
    expect(await servers[0].stop('SIGTERM')).toBe(0);
  }, 240_000);

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
