import type { Command, Option } from './command.ts';
import { commands } from './commands/index.ts';

function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}\n`).join('');
}

/** `modelmile --help`: the table of subcommands. */
export function overview(): string {
  const rows = Object.entries(commands).map(([name, row]) => [name, row.summary] as const);
  return (
    `modelmile: from a trained model to a monitored service, and its users' feedback back to training.\n\n` +
    `usage: modelmile <command> [arguments]\n\n${columns(rows)}\n` +
    `modelmile <command> --help shows a command's arguments.\n`
  );
}

/** `modelmile <command> --help`. */
export function commandHelp(
  name: string,
  summary: string,
  command: Command,
  everywhere: Readonly<Record<string, Option>>,
): string {
  const options = Object.entries({ ...command.options, ...everywhere }).map(([long, option]) => {
    const value = option.type === 'string' ? ` ${option.value ?? 'VALUE'}` : '';
    const byDefault = option.default === undefined ? '' : ` (default: ${String(option.default)})`;
    return [`--${long}${value}`, option.help + byDefault] as const;
  });
  const details = command.details === undefined ? '' : `${command.details}\n\n`;
  return (
    `modelmile ${name}: ${summary}\n\nusage: modelmile ${name} ${command.usage}\n\n${details}` +
    `${columns(options)}\nexamples:\n${command.examples.map((line) => `  ${line}\n`).join('')}`
  );
}
