import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, exitCodes } from '../command.ts';
import { CliError } from '../errors.ts';
import { projectRoot } from '../paths.ts';
import { stackSettings } from '../stack-file.ts';

const fileOf = (stack: string) => join(projectRoot, `Pulumi.${stack}.yaml`);

export const fork: Command = {
  usage: '<stack> [--from STACK]',
  details:
    'Writes Pulumi.<stack>.yaml: the settings of another stack with addresses, namespace and host name that collide with no stack of this\n' +
    'checkout, and without its secrets. Prints what differs, and what is still the same though two stacks rarely share it.',
  examples: ['modelmile fork eu --from prod', 'modelmile fork qa --from staging'],
  minPositionals: 1,
  maxPositionals: 1,
  options: { from: { type: 'string', value: 'STACK', help: 'the stack to copy', default: 'staging' } },
  async run({ positionals, options, terminal }) {
    const stack = positionals[0] as string;
    const from = options['from'] as string;
    const names = (await readdir(projectRoot)).flatMap(
      (file) => /^Pulumi\.(.+)\.yaml$/.exec(file)?.[1] ?? [],
    );
    if (names.includes(stack))
      throw new CliError('CLI_STACK_EXISTS', `Pulumi.${stack}.yaml is there already.`);
    if (!names.includes(from)) throw new CliError('CLI_STACK_UNKNOWN', `There is no stack '${from}'.`);
    const { forkStack } = await import('../../infra/fork.ts');
    const others = await Promise.all(names.map((name) => readFile(fileOf(name), 'utf8')));
    const { text, changes, check } = forkStack(await readFile(fileOf(from), 'utf8'), from, stack, others);
    await writeFile(fileOf(stack), text, { flag: 'wx' });
    // Read as the program would: a file that it refuses is found now.
    await stackSettings(stack).catch(async (error) => {
      await rm(fileOf(stack));
      throw error;
    });
    terminal.line(`Pulumi.${stack}.yaml: as ${from}, but for`);
    for (const { key, from: old, to, why } of changes)
      terminal.line(`  ${key}: ${old ?? '(default)'} -> ${to ?? '(dropped)'}   ${why}`);
    if (check.length > 0) terminal.line(`still ${from}'s, change what is not shared: ${check.join(', ')}`);
    terminal.line(`next: npx modelmile preview ${stack} --offline`);
    terminal.document({
      stack,
      from,
      changes: changes.map((one) => ({ ...one, to: one.to ?? null })),
      check,
    });
    return exitCodes.ok;
  },
};
