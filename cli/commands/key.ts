import { newApiKey } from '../../serving/contract/index.ts';
import { type Command, exitCodes } from '../command.ts';

export const key: Command = {
  usage: '<id>',
  details:
    'Makes an API key for a caller. The key is shown once; its entry, which holds only the hash, belongs into the file that the setting\n' +
    'keysFile names: {"keys": [...]}. The server reads the file again when it changes.',
  examples: ['modelmile key shop-frontend'],
  minPositionals: 1,
  maxPositionals: 1,
  options: {},
  async run({ positionals, terminal }) {
    const made = newApiKey(positionals[0] as string);
    terminal.line(`key    ${made.key}`);
    terminal.line(`entry  ${JSON.stringify(made.entry)}`);
    terminal.document(made);
    return exitCodes.ok;
  },
};
