import { resolve } from 'node:path';
import { inspect as inspectModel } from '../../conversion/index.ts';
import { type Command, exitCodes } from '../command.ts';
import { customOption, readFileOptions } from '../conversion-options.ts';
import { endOn } from '../interrupt.ts';

export const inspect: Command = {
  usage: '<model> [--custom FILE]',
  details:
    'Lists every layer and everything that stands in the way of a conversion, before any work is done. Exit code 1 where something does.',
  examples: ['modelmile inspect samples/digits/model.h5'],
  minPositionals: 1,
  maxPositionals: 1,
  options: customOption,
  async run({ positionals, options, terminal, signal }) {
    endOn(signal);
    const { custom } = await readFileOptions(options, ['custom']);
    const found = await inspectModel(resolve(positionals[0] as string), custom);
    terminal.line(
      `${found.format} written by ${found.dialect}: ${found.parameters} parameters, ${found.sizeBytes} bytes`,
    );
    for (const { name, kind, parameters, supported } of found.layers) {
      terminal.line(
        `  ${supported ? ' ' : 'x'} ${kind.padEnd(16)} ${String(parameters).padStart(10)}  ${name}`,
      );
    }
    for (const reason of found.unsupported) terminal.line(`not supported: ${reason}`);
    terminal.document(found);
    return found.unsupported.length === 0 ? exitCodes.ok : exitCodes.failed;
  },
};
