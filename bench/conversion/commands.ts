import { spawnSync } from 'node:child_process';
import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const checkout = fileURLToPath(new URL('../../', import.meta.url));
const peers = fileURLToPath(new URL('./peers/', import.meta.url));

/** What a command used, all processes below it included. */
export interface Used {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  readonly peakBytes: number;
}

/** A model converted by a cold command of each side. */
export interface CommandRow {
  readonly model: string;
  readonly sourceBytes: number;
  /** `node toolchain/bin/modelmile.mjs convert`, the gate included. */
  readonly ours: Used;
  /** `npx modelmile convert`. */
  readonly npx: Used;
  /** TensorFlow + tf2onnx through Keras's export. */
  readonly official: Used;
}

/** At each start Node reads the certificates that this names, for longer than it takes itself; nothing here opens a connection. */
const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;

/** @throws Error where the command fails */
function measure(python: string, command: readonly string[], out: string): Used {
  rmSync(out, { recursive: true, force: true });
  const { stdout, stderr } = spawnSync(python, [join(peers, 'measured.py'), ...command], {
    cwd: checkout,
    env,
    encoding: 'utf8',
  });
  const { code, ...used } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as Used & { code: number };
  if (code !== 0) throw new Error(`${command.join(' ')}: ${stderr.slice(-2000)}`);
  return used;
}

/** The run of least CPU time of several: what disturbs a machine only adds. */
function best(all: readonly Used[]): Used {
  const least = all.reduce((a, b) => (b.cpuSeconds < a.cpuSeconds ? b : a));
  return { ...least, wallSeconds: Math.min(...all.map(({ wallSeconds }) => wallSeconds)) };
}

/** Node itself, doing nothing: what every command starts from. */
export const nodeAlone = (python: string): Used =>
  best(Array.from({ length: 5 }, () => measure(python, [process.execPath, '-e', '0'], '/nowhere')));

/** Both converters on one model, each a process of its own that starts cold. They take turns: a machine may be slow for minutes. */
export function compareCommands(
  python: string,
  models: string,
  model: string,
  folder: string,
  runs: number,
): CommandRow {
  const source = join(models, `${model}.h5`);
  const out = join(folder, 'converted');
  const convert = ['convert', source, '--out', join(out, '1')];
  const commands = {
    ours: [process.execPath, 'toolchain/bin/modelmile.mjs', ...convert],
    npx: ['npx', 'modelmile', ...convert],
    official: [python, join(peers, 'official.py'), source, `${out}.onnx`],
  };
  const turns = Array.from({ length: runs }, () => ({
    ours: measure(python, commands.ours, out),
    npx: measure(python, commands.npx, out),
    official: measure(python, commands.official, out),
  }));
  return {
    model,
    sourceBytes: statSync(source).size,
    ours: best(turns.map(({ ours }) => ours)),
    npx: best(turns.map(({ npx }) => npx)),
    official: best(turns.map(({ official }) => official)),
  };
}
