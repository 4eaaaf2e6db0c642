import * as z from 'zod';
import { settingRows } from '../../infra/settings.ts';
import { type Command, exitCodes } from '../command.ts';

type Schema = Record<string, unknown>;

/** A JSON Schema in a line: `"a" | "b"`, `integer >= 1`, `{name: string, labels?: string}`, `[string, ...]`. */
function typeOf(schema: Schema): string {
  const {
    enum: values,
    const: constant,
    anyOf,
    oneOf,
    type,
    items,
    properties,
    additionalProperties,
  } = schema;
  if (constant !== undefined) return JSON.stringify(constant);
  if (values) return (values as unknown[]).map((one) => JSON.stringify(one)).join(' | ');
  const either = (anyOf ?? oneOf) as Schema[] | undefined;
  if (either) return either.map(typeOf).join(' | ');
  if (type === 'array') return `[${typeOf(items as Schema)}, ...]`;
  if (properties) {
    const required = (schema['required'] ?? []) as string[];
    const parts = Object.entries(properties as Record<string, Schema>).map(
      ([key, part]) => `${key}${required.includes(key) ? '' : '?'}: ${typeOf(part)}`,
    );
    return `{${parts.join(', ')}}`;
  }
  if (type === 'object') return `{<key>: ${typeOf((additionalProperties as Schema | undefined) ?? {})}}`;
  const { minimum, exclusiveMinimum } = schema as { minimum?: number; exclusiveMinimum?: number };
  const name = (type as string | undefined) ?? 'any';
  if (exclusiveMinimum !== undefined) return `${name} > ${exclusiveMinimum}`;
  return minimum === undefined || minimum === Number.MIN_SAFE_INTEGER ? name : `${name} >= ${minimum}`;
}

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
      terminal.line(`    ${typeOf(row.type)}`);
      terminal.line(`    ${row.help}`);
      terminal.line(`    a change: ${row.change}`);
    }
    terminal.document(rows);
    return exitCodes.ok;
  },
};
