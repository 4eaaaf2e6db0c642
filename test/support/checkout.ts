import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { type CommandResult, runNode } from './run-node.ts';

const exec = promisify(execFile);
export const repository = realpathSync(fileURLToPath(new URL('../..', import.meta.url)));

/** A port that nothing listens on right now. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A model of Pulumi.dev.yaml. */
export interface Model {
  readonly name: string;
  readonly source: string;
  readonly labels?: string;
}

export const digits: Model = {
  name: 'model',
  source: 'samples/digits/model.h5',
  labels: 'samples/digits/heldout.npz',
};

/** A checkout of its own in a temporary folder, with its own state and ports; node_modules is shared. */
export class Checkout {
  readonly folder: string;
  readonly ports: { readonly rest: number; readonly grpc: number; readonly management: number };

  private constructor(folder: string, ports: Checkout['ports']) {
    this.folder = folder;
    this.ports = ports;
  }

  static async create(
    models: readonly Model[] = [digits],
    prefix = 'modelmile-checkout-',
  ): Promise<Checkout> {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), prefix)));
    const { stdout } = await exec('git', ['ls-files', '-co', '--exclude-standard', '-z'], {
      cwd: repository,
      maxBuffer: 1 << 26,
    });
    for (const file of stdout.split('\0')) {
      if (file === '' || !existsSync(join(repository, file))) continue;
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      cpSync(join(repository, file), join(folder, file));
    }
    symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'));
    const checkout = new Checkout(folder, {
      rest: await freePort(),
      grpc: await freePort(),
      management: await freePort(),
    });
    checkout.configure(models);
    return checkout;
  }

  /** Writes Pulumi.dev.yaml. */
  configure(models: readonly Model[], ports: Partial<Checkout['ports']> = {}): void {
    const { rest, grpc, management } = { ...this.ports, ...ports };
    const config = {
      'modelmile:platform': 'local',
      'modelmile:models': models,
      'modelmile:restPort': rest,
      'modelmile:grpcPort': grpc,
      'modelmile:managementPort': management,
      'modelmile:workers': 1,
    };
    writeFileSync(join(this.folder, 'Pulumi.dev.yaml'), JSON.stringify({ config }, null, 2));
  }

  path(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  get stateDir(): string {
    return this.path('.modelmile', 'dev', 'server');
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.ports.rest}`;
  }

  /** Runs `modelmile <args>`. */
  modelmile(...args: string[]): Promise<CommandResult> {
    return this.node([this.path('cli', 'main.ts'), ...args]);
  }

  /** Runs `modelmile <args>` and stops it after so many milliseconds, or as soon as it says something. */
  interrupted(
    at: number | RegExp,
    signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL',
    ...args: string[]
  ): Promise<CommandResult> {
    return this.node([this.path('cli', 'main.ts'), ...args], { at, signal });
  }

  /** Runs the checkout's own `npx pulumi`. */
  pulumi(...args: string[]): Promise<CommandResult> {
    return this.node([this.path('toolchain', 'bin', 'pulumi.mjs'), ...args]);
  }

  private node(
    args: readonly string[],
    interrupt?: Parameters<typeof runNode>[1]['interrupt'],
  ): Promise<CommandResult> {
    const loader = pathToFileURL(this.path('toolchain', 'typescript.mjs')).href;
    return runNode(['--import', loader, ...args], {
      cwd: this.folder,
      env: { MODELMILE_HOME: this.path('.modelmile') },
      ...(interrupt && { interrupt }),
    });
  }

  /** Leaves no process, no port and no file behind. */
  async remove(): Promise<void> {
    await this.modelmile('down');
    rmSync(this.folder, { recursive: true, force: true });
  }
}
