import { type Command, exitCodes } from '../command.ts';
import { CliError } from '../errors.ts';
import { pulumi } from '../pulumi.ts';

/** Pulumi's words where there is no state of the stack. */
const isDown = (said: string): boolean => /no stack named '.*' found/.test(said);

export const drift: Command = {
  usage: '[stack] [-- pulumi options]',
  details:
    'Compares what really runs with what the last `up` left, changes nothing, and fails where they differ: for a job that runs every night.\n' +
    'What the settings would change is no drift; `modelmile preview` shows that.',
  examples: ['modelmile drift', 'modelmile drift prod'],
  minPositionals: 0,
  maxPositionals: 1,
  options: {},
  async run({ positionals, rest, terminal }) {
    const stack = positionals[0] ?? 'dev';
    const flags = ['refresh', '--preview-only', '--expect-no-changes', '--diff', ...rest];
    const show = (text: string) => {
      if (!terminal.json && !isDown(text)) process.stderr.write(text);
    };
    const { code, stderr, stdout } = await pulumi(stack, flags, terminal, { show });
    const said = (stderr + stdout).trim();
    if (code !== 0 && isDown(said))
      throw new CliError('CLI_STACK_DOWN', `The stack '${stack}' is down: nothing runs to compare with.`);
    const differs = code !== 0 && /no changes were expected/.test(said);
    // Without credentials or a state nothing was compared: that is no drift.
    if (code !== 0 && !differs)
      throw new CliError('CLI_PULUMI_FAILED', `What runs in '${stack}' could not be compared.`);
    terminal.document({ stack, drift: differs, said });
    return differs ? exitCodes.failed : exitCodes.ok;
  },
};
