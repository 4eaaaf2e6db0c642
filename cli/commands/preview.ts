import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { goOffline } from '../../toolchain/offline.ts';
import { type Command, exitCodes } from '../command.ts';
import { projectRoot } from '../paths.ts';
import { ensureStack, pulumi } from '../pulumi.ts';
import type { Terminal } from '../terminal.ts';

async function show(
  stack: string,
  flags: readonly string[],
  terminal: Terminal,
  env: Readonly<Record<string, string>>,
): Promise<number> {
  await ensureStack(stack, terminal, env);
  const args = ['preview', ...(terminal.json ? ['--json'] : ['--diff']), ...flags];
  const { code, stdout, stderr } = await pulumi(stack, args, terminal, { show: !terminal.json, env });
  const start = stdout.indexOf('{');
  if (terminal.json && code === 0 && start >= 0) terminal.document(JSON.parse(stdout.slice(start)));
  if (terminal.json && code !== 0) terminal.error(stderr.trim() || stdout.trim());
  return code === 0 ? exitCodes.ok : exitCodes.failed;
}

export const preview: Command = {
  usage: '[stack] [--refresh] [--offline] [-- pulumi options]',
  details:
    'Shows what `up` would change, before anything is changed: versions, digests, sizes, parity and accuracy of models among it.\n' +
    '--refresh looks at what really runs first, so that drift shows. --offline needs no cloud, no cluster, no credentials and no\n' +
    'provider plugin: everything is shown as new, and stand-ins for the plugins validate nothing.',
  examples: ['modelmile preview', 'modelmile preview dev --refresh', 'modelmile preview prod --offline'],
  minPositionals: 0,
  maxPositionals: 1,
  options: {
    refresh: { type: 'boolean', help: 'compare with what really runs' },
    offline: { type: 'boolean', help: 'stand-ins and a throw-away state' },
  },
  async run({ positionals, options, rest, terminal }) {
    const stack = positionals[0] ?? 'dev';
    const flags = [...(options['refresh'] === true ? ['--refresh'] : []), ...rest];
    if (options['offline'] !== true) return show(stack, flags, terminal, {});
    const file = join(projectRoot, `Pulumi.${stack}.yaml`);
    const before = await readFile(file, 'utf8').catch(() => undefined);
    const offline = await goOffline();
    try {
      return await show(stack, flags, terminal, offline.env);
    } finally {
      await offline.stop();
      // Pulumi notes the throw-away state's encryption salt in the stack's file.
      if (before !== undefined) await writeFile(file, before);
    }
  },
};
