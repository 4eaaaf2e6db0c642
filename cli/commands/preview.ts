import { type Command, exitCodes } from '../command.ts';
import { ensureStack, pulumi } from '../pulumi.ts';

export const preview: Command = {
  usage: '[stack] [--refresh] [-- pulumi options]',
  details:
    'Shows what `up` would change, before anything is changed: versions, digests, sizes, parity and accuracy of models among it.\n' +
    '--refresh looks at what really runs first, so that drift shows.',
  examples: ['modelmile preview', 'modelmile preview dev --refresh', 'modelmile preview prod -- --diff'],
  minPositionals: 0,
  maxPositionals: 1,
  options: {
    refresh: { type: 'boolean', help: 'compare with what really runs' },
  },
  async run({ positionals, options, rest, terminal }) {
    const stack = positionals[0] ?? 'dev';
    await ensureStack(stack, terminal);
    const flags = [
      'preview',
      ...(terminal.json ? ['--json'] : ['--diff']),
      ...(options['refresh'] === true ? ['--refresh'] : []),
      ...rest,
    ];
    const { code, stdout } = await pulumi(stack, flags, terminal, { show: !terminal.json });
    if (terminal.json && stdout.trimStart().startsWith('{')) terminal.document(JSON.parse(stdout));
    return code === 0 ? exitCodes.ok : exitCodes.failed;
  },
};
