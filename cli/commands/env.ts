import { type Command, exitCodes } from '../command.ts';
import { pulumiSetup } from '../pulumi.ts';

export const env: Command = {
  usage: '[stack]',
  details: 'Prints what a `pulumi` of your own needs to work on this checkout: eval "$(modelmile env)"',
  examples: ['eval "$(npx modelmile env dev)"'],
  minPositionals: 0,
  maxPositionals: 1,
  options: {},
  async run({ positionals, terminal }) {
    const setup = await pulumiSetup(positionals[0] ?? 'dev', terminal);
    for (const [name, value] of Object.entries(setup.env)) {
      terminal.line(`export ${name}='${value.replaceAll("'", "'\\''")}'`);
    }
    terminal.document(setup.env);
    return exitCodes.ok;
  },
};
