import { type Command, exitCodes } from '../command.ts';
import { pulumi, stackExists } from '../pulumi.ts';
import { standInsDetails, standInsOption, withStandIns } from '../stand-ins.ts';

export const down: Command = {
  usage: '[stack] [--stand-ins]',
  details:
    'Drains and stops what the stack runs, and forgets its state. Kept versions and the feedback of the dev stack stay: they are data.\n' +
    standInsDetails,
  examples: ['modelmile down', 'modelmile down dev'],
  minPositionals: 0,
  maxPositionals: 1,
  options: standInsOption,
  async run({ positionals, options, terminal }) {
    const stack = positionals[0] ?? 'dev';
    if (!(await stackExists(stack, terminal))) {
      terminal.line(`The stack '${stack}' is down already.`);
      terminal.document({ stack, changed: false });
      return exitCodes.ok;
    }
    const destroyed = await withStandIns(stack, options['stand-ins'] === true, (env) =>
      pulumi(stack, ['destroy', '--yes', '--skip-preview'], terminal, { show: true, env }),
    );
    if (destroyed.code !== 0) return exitCodes.failed;
    // Pulumi.<stack>.yaml is the user's file, not Pulumi's to remove with its state.
    const { code } = await pulumi(stack, ['stack', 'rm', '--yes', '--preserve-config'], terminal, {
      show: false,
    });
    if (code === 0) terminal.document({ stack, changed: true });
    return code === 0 ? exitCodes.ok : exitCodes.failed;
  },
};
