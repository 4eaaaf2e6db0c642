import { z } from 'zod';
import { settingRows } from '../../infra/settings.ts';
import { type Command, exitCodes } from '../command.ts';

export const settings: Command = {
  usage: '',
  details: 'Every key of Pulumi.<stack>.yaml (as modelmile:<key>): type, default and what a change does.',
  examples: ['modelmile settings'],
  minPositionals: 0,
  maxPositionals: 0,
  options: {},
  async run({ terminal }) {
    const rows = Object.entries(settingRows).map(([key, { schema, help, change }]) => {
      const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Record<string, unknown>;
      const { $schema: _, default: __, ...type } = json;
      // What leaving the key out gives, defaults of its parts included.
      return { key, help, change, default: schema.safeParse(undefined).data, type };
    });
    for (const row of rows) {
      terminal.line(
        `${row.key}  (default: ${row.default === undefined ? 'none' : JSON.stringify(row.default)})`,
      );
      terminal.line(`    ${row.help}`);
      terminal.line(`    a change: ${row.change}`);
    }
    terminal.document(rows);
    return exitCodes.ok;
  },
};
