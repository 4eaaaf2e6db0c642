import { type Command, exitCodes } from '../command.ts';
import { pulumi, stackExists } from '../pulumi.ts';

export const down: Command = {
  usage: '[stack]',
  details:
    'Drains and stops what the stack runs, and forgets its state. Kept versions and the feedback of the dev stack stay: they are data.',
  examples: ['modelmile down', 'modelmile down dev'],
  minPositionals: 0,
  maxPositionals: 1,
  options: {},
  async run({ positionals, terminal }) {
    const stack = positionals[0] ?? 'dev';
    if (!(await stackExists(stack, terminal))) {
      terminal.line(`The stack '${stack}' is down already.`);
      terminal.document({ stack, changed: false });
      return exitCodes.ok;
    }
    const { code } = await pulumi(stack, ['destroy', '--yes', '--skip-preview', '--remove'], terminal, {
      show: true,
      // The settings of the stack are the user's file, not Pulumi's to remove with its state.
      env: {},
    });
    return code === 0 ? exitCodes.ok : exitCodes.failed;
  },
};
