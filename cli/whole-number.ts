import { CliError } from './errors.ts';

/** The value of an option. @throws CliError CLI_USAGE */
export function wholeNumber(option: string, text: string, most: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= most) return value;
  throw new CliError('CLI_USAGE', `--${option} '${text}': a whole number from 0 to ${most}.`);
}
