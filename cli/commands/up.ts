import { type Command, exitCodes } from '../command.ts';
import { ensureStack, pulumi, stackOutputs } from '../pulumi.ts';
import { stackPlace } from '../stack-file.ts';
import { standInsDetails, standInsOption, withStandIns } from '../stand-ins.ts';

/** A server of this machine may have been killed, or gone with a restart: the state does not know, and to look takes no time. */
const killedOnes = async (stack: string): Promise<string[]> =>
  (await stackPlace(stack)).platform === 'local' ? ['--refresh'] : [];

export const up: Command = {
  usage: '[stack] [--stand-ins] [-- pulumi options]',
  details:
    'Brings the stack to what its settings and models say. On the dev stack this is a zero-drop reload of the running server, or the\n' +
    'start of one that was killed.\n' +
    standInsDetails,
  examples: ['modelmile up', 'modelmile up dev', 'modelmile up staging -- --refresh'],
  minPositionals: 0,
  maxPositionals: 1,
  options: standInsOption,
  run({ positionals, options, rest, terminal }) {
    const stack = positionals[0] ?? 'dev';
    return withStandIns(stack, options['stand-ins'] === true, async (env) => {
      await ensureStack(stack, terminal, env);
      // The preview is another command: one run of the program is enough here.
      const flags = ['up', '--yes', '--skip-preview', ...(await killedOnes(stack)), ...rest];
      const { code } = await pulumi(stack, flags, terminal, { show: true, env });
      if (code === 0) terminal.document({ stack, outputs: await stackOutputs(stack, terminal, env) });
      return code === 0 ? exitCodes.ok : exitCodes.failed;
    });
  },
};
