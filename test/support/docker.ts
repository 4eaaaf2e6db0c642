import { execFile, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const exec = promisify(execFile);
const { findDocker } = await import('../../toolchain/stand-ins/docker.mjs');

const onPath = (name: string) =>
  (process.env['PATH'] ?? '').split(delimiter).some((folder) => folder && existsSync(join(folder, name)));
const answers = (command: string) =>
  spawnSync(command, ['version', '--format', '{{.Server.Version}}'], { timeout: 10_000, env: process.env })
    .status === 0;

/** Whether there is an engine, or one can be started here. */
export async function hasDocker(): Promise<boolean> {
  const command = await findDocker().catch(() => undefined);
  return command !== undefined && (answers(command) || (process.getuid?.() === 0 && onPath('dockerd')));
}

/** A docker engine: the one that runs, else a throw-away one that ends with the test. */
export class Docker {
  readonly #command: string;
  readonly #stop: () => Promise<void>;

  private constructor(command: string, stop: () => Promise<void>) {
    this.#command = command;
    this.#stop = stop;
  }

  /** @throws Error with what dockerd said last */
  static async start(): Promise<Docker> {
    const command = await findDocker();
    if (answers(command)) return new Docker(command, async () => {});
    const folder = mkdtempSync(join(tmpdir(), 'modelmile-docker-'));
    const at = (name: string) => join(folder, name);
    process.env['DOCKER_HOST'] = `unix://${at('socket')}`;
    process.env['DOCKER_CONFIG'] = at('config');
    const daemon = spawn(
      'dockerd',
      ['--data-root', at('data'), '--exec-root', at('exec'), '-H', `unix://${at('socket')}`, '-p', at('pid')],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let said = '';
    daemon.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-2000);
    });
    const ended = new Promise<void>((resolve) => daemon.once('exit', () => resolve()));
    const docker = new Docker(command, async () => {
      daemon.kill('SIGTERM');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    });
    for (const deadline = Date.now() + 60_000; !answers(command); ) {
      if (Date.now() > deadline || daemon.exitCode !== null)
        throw new Error(`dockerd does not start: ${said}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    return docker;
  }

  async run(...args: string[]): Promise<string> {
    const env = { ...process.env, DOCKER_BUILDKIT: '1' };
    const { stdout } = await exec(this.#command, args, { env, maxBuffer: 1 << 26 });
    return stdout.trim();
  }

  stop(): Promise<void> {
    return this.#stop();
  }
}
