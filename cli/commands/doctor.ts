import { diagnose } from '../../toolchain/doctor.ts';
import { type Command, exitCodes } from '../command.ts';

export const doctor: Command = {
  usage: '',
  details:
    'Tells what is there, what is missing, what it is for and how to get it. Exit code 1 where something needed is missing.',
  examples: ['modelmile doctor'],
  minPositionals: 0,
  maxPositionals: 0,
  options: {},
  async run({ terminal }) {
    const rows = await diagnose();
    for (const { what, version, needed, purpose, howToGet } of rows) {
      const mark = version !== undefined ? 'ok     ' : needed ? 'MISSING' : 'absent ';
      terminal.line(`${mark}  ${what.padEnd(18)} ${(version ?? '-').padEnd(14)} ${purpose}`);
      if (version === undefined) terminal.line(`         ${' '.repeat(18)} ${howToGet}`);
    }
    terminal.document(rows);
    return rows.some((row) => row.needed && row.version === undefined) ? exitCodes.failed : exitCodes.ok;
  },
};
