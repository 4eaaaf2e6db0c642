import { parseArgs } from 'node:util';
import { fileAccessRefusal } from '../toolchain/file-access.mjs';
import { type Command, exitCodes, type Option } from './command.ts';
import { commands } from './commands/index.ts';
import { CliError } from './errors.ts';
import { counted } from './figures.ts';
import { commandHelp, overview } from './help.ts';
import { Terminal } from './terminal.ts';

const everywhere = {
  help: { type: 'boolean', short: 'h', help: 'show this' },
  json: { type: 'boolean', help: 'one JSON document on standard output, for a machine' },
} as const satisfies Record<string, Option>;

/** Longest name first, so that `feedback export` is found before `feedback`. */
function findCommand(argv: readonly string[]): { name: keyof typeof commands; rest: string[] } | undefined {
  for (const words of [2, 1]) {
    const name = argv.slice(0, words).join(' ');
    if (argv.length >= words && Object.hasOwn(commands, name)) {
      return { name: name as keyof typeof commands, rest: argv.slice(words) };
    }
  }
  return undefined;
}

/** Arguments after `--` belong to somebody else. */
function split(argv: readonly string[]): [string[], string[]] {
  const at = argv.indexOf('--');
  return at < 0 ? [[...argv], []] : [argv.slice(0, at), argv.slice(at + 1)];
}

function parse(command: Command, name: string, argv: readonly string[]) {
  const [own, rest] = split(argv);
  try {
    const { values, positionals } = parseArgs({
      args: own,
      options: { ...everywhere, ...command.options },
      allowPositionals: true,
      strict: true,
    });
    const wrongCount =
      positionals.length < command.minPositionals || positionals.length > command.maxPositionals;
    if (wrongCount && values['help'] !== true) {
      throw new TypeError(
        `${counted(positionals.length, 'argument')} given, expected: ${name} ${command.usage}`,
      );
    }
    return { values: values as Record<string, string | boolean | string[] | undefined>, positionals, rest };
  } catch (error) {
    throw new CliError('CLI_USAGE', `modelmile ${name}: ${(error as Error).message.replace(/\.?$/, '.')}`);
  }
}

/** A person's mistake is shown as a sentence; only a bug of ours shows where it happened. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const refusal = fileAccessRefusal(error);
  if (refusal !== undefined) return refusal;
  const isOurs = 'code' in error && typeof error.code === 'string';
  return isOurs ? error.message : (error.stack ?? error.message);
}

/** Codes of what was asked for in a way that cannot be: the command itself is to be changed. */
const misuse: readonly unknown[] = ['CLI_USAGE', 'CLI_UNKNOWN_COMMAND', 'CONVERSION_BAD_OPTION'];

async function main(argv: readonly string[]): Promise<number> {
  const first = argv[0];
  if (first === undefined || first === '--help' || first === '-h' || first === 'help') {
    process.stdout.write(overview());
    return exitCodes.ok;
  }
  const found = findCommand(argv);
  const terminal = new Terminal(found?.rest.includes('--json') === true);
  try {
    if (found === undefined) throw new CliError('CLI_UNKNOWN_COMMAND', `There is no command '${first}'.`);
    const command = await commands[found.name].load();
    const { values, positionals, rest } = parse(command, found.name, found.rest);
    if (values['help'] === true) {
      process.stdout.write(commandHelp(found.name, commands[found.name].summary, command, everywhere));
      return exitCodes.ok;
    }
    const interrupt = new AbortController();
    process.once('SIGINT', () => interrupt.abort());
    process.once('SIGTERM', () => interrupt.abort());
    const code = await command.run({
      positionals,
      options: values,
      rest,
      terminal,
      signal: interrupt.signal,
    });
    return interrupt.signal.aborted && code !== exitCodes.ok ? exitCodes.interrupted : code;
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    terminal.error(describe(error));
    terminal.document({ error: { code, message: (error as Error).message } });
    return misuse.includes(code) ? exitCodes.usage : exitCodes.failed;
  }
}

// Whoever reads may stop reading: `modelmile settings | head`. It ends as by SIGPIPE.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(128 + 13);
  throw error;
});
/** Whoever starts the command waits for it: Node tells of work that ends without an answer only where somebody does. */
export const ended = main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
