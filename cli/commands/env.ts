import { inQuotes } from '../../serving/shell-word.ts';
import { type Command, exitCodes } from '../command.ts';
import { pulumiSetup } from '../pulumi.ts';
import { assertStack } from '../stack-file.ts';

export const env: Command = {
  usage: '[stack]',
  details: 'Prints what a `pulumi` of your own needs to work on this checkout: eval "$(modelmile env)"',
  examples: ['eval "$(npx modelmile env dev)"'],
  minPositionals: 0,
  maxPositionals: 1,
  options: {},
  async run({ positionals, terminal }) {
    const stack = positionals[0] ?? 'dev';
    assertStack(stack);
    const setup = await pulumiSetup(stack, terminal);
    for (const [name, value] of Object.entries(setup.env)) {
      terminal.line(`export ${name}=${inQuotes(value)}`);
    }
    terminal.document(setup.env);
    return exitCodes.ok;
  },
};
