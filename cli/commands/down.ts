import { type Command, exitCodes } from '../command.ts';
import { leftAfterAll } from '../left-overs.ts';
import { pulumi, stackExists } from '../pulumi.ts';
import { stackPlace } from '../stack-file.ts';
import { standInsDetails, standInsOption, withStandIns } from '../stand-ins.ts';
import type { Terminal } from '../terminal.ts';

/** On aws: nothing that bears the stack's tags may be left, whoever made it. @returns the exit code */
async function sweep(stack: string, terminal: Terminal, changed: boolean): Promise<number> {
  const { platform, region } = await stackPlace(stack);
  const left = platform === 'aws' ? await leftAfterAll(stack, region, terminal) : [];
  if (left.length > 0)
    terminal.error(`${left.length} resources of '${stack}' are left:\n  ${left.join('\n  ')}`);
  else if (platform === 'aws') terminal.line(`Nothing in AWS bears the tags of '${stack}' any more.`);
  terminal.document({ stack, changed, left });
  return left.length === 0 ? exitCodes.ok : exitCodes.failed;
}

export const down: Command = {
  usage: '[stack] [--stand-ins]',
  details:
    'Drains and stops what the stack runs, and forgets its state. Kept versions and the feedback of the dev stack stay: they are data.\n' +
    'On aws it then looks for anything with the tags of the stack, and fails where something is left (docs/stacks.md).\n' +
    standInsDetails,
  examples: ['modelmile down', 'modelmile down dev'],
  minPositionals: 0,
  maxPositionals: 1,
  options: standInsOption,
  async run({ positionals, options, terminal }) {
    const stack = positionals[0] ?? 'dev';
    if (!(await stackExists(stack, terminal))) {
      terminal.line(`The stack '${stack}' is down already.`);
      // Left-overs are looked for again: the last time may have found some.
      return sweep(stack, terminal, false);
    }
    const destroyed = await withStandIns(stack, options['stand-ins'] === true, (env) =>
      pulumi(stack, ['destroy', '--yes', '--skip-preview'], terminal, { show: true, env }),
    );
    if (destroyed.code !== 0) return exitCodes.failed;
    // Pulumi.<stack>.yaml is the user's file, not Pulumi's to remove with its state.
    const { code } = await pulumi(stack, ['stack', 'rm', '--yes', '--preserve-config'], terminal, {
      show: false,
    });
    return code === 0 ? sweep(stack, terminal, true) : exitCodes.failed;
  },
};
