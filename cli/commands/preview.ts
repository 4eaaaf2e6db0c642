import { type Command, exitCodes } from '../command.ts';
import { counted } from '../figures.ts';
import { orderedDiff } from '../ordered-diff.ts';
import { ensureStack, pulumi } from '../pulumi.ts';
import { offline } from '../stand-ins.ts';
import type { Terminal } from '../terminal.ts';

const isUrn = (value: unknown): value is string =>
  typeof value === 'string' && value.startsWith('urn:pulumi:');

/** What a preview found, in an order that does not depend on which resource the engine came to first. */
function ordered(document: string): object {
  const {
    steps = [],
    duration: _,
    ...rest
  } = JSON.parse(document, (_key, value) =>
    Array.isArray(value) && value.every(isUrn) ? value.sort() : value,
  ) as { steps?: { urn: string }[]; duration?: number };
  return { ...rest, steps: steps.sort((a, b) => (a.urn < b.urn ? -1 : 1)) };
}

/** What a preview that failed says of why. */
function reasonsIn(output: string): string {
  try {
    const { diagnostics = [] } = JSON.parse(output) as {
      diagnostics?: { message: string; severity: string }[];
    };
    const errors = diagnostics.filter(({ severity }) => severity === 'error');
    return errors.map(({ message }) => message.trim().replace(/^error: /, '')).join('\n') || output.trim();
  } catch {
    return output.trim();
  }
}

/** Tells how far the engine is. */
function progressOf(terminal: Terminal): (text: string) => void {
  let resources = 0;
  let toldMs = Date.now();
  return (text) => {
    resources += text.match(/\[urn=/g)?.length ?? 0;
    if (Date.now() - toldMs < 1000) return;
    toldMs = Date.now();
    terminal.progress(`comparing with the settings: ${counted(resources, 'resource')} so far`);
  };
}

async function show(
  stack: string,
  flags: readonly string[],
  terminal: Terminal,
  env: Readonly<Record<string, string>>,
): Promise<number> {
  await ensureStack(stack, terminal, env);
  const args = ['preview', ...(terminal.json ? ['--json'] : ['--diff']), ...flags];
  const { code, stdout, stderr } = await pulumi(stack, args, terminal, { show: progressOf(terminal), env });
  if (!terminal.json) {
    // What the program says is part of what a preview shows; what stopped it is not, and stays in sight below it.
    terminal.line(orderedDiff(code === 0 ? `${stderr}${stdout}` : stdout).trimEnd());
    if (code !== 0) process.stderr.write(stderr);
  } else if (code === 0) terminal.document(ordered(stdout.slice(Math.max(0, stdout.indexOf('{')))));
  else terminal.error(stderr.trim() || reasonsIn(stdout));
  return code === 0 ? exitCodes.ok : exitCodes.failed;
}

export const preview: Command = {
  usage: '[stack] [--refresh] [--offline] [-- pulumi options]',
  details:
    'Shows what `up` would change, before anything is changed: versions, digests, sizes, parity and accuracy of models among it.\n' +
    '--refresh looks at what really runs first, so that drift shows. --offline needs no cloud, no cluster, no credentials and no\n' +
    'provider plugin: stand-ins take their place, on a copy of the state where that is in files, else everything is shown as new.',
  examples: ['modelmile preview', 'modelmile preview dev --refresh', 'modelmile preview prod --offline'],
  minPositionals: 0,
  maxPositionals: 1,
  options: {
    refresh: { type: 'boolean', help: 'compare with what really runs' },
    offline: { type: 'boolean', help: 'stand-ins and a throw-away state' },
  },
  async run({ positionals, options, rest, terminal }) {
    const stack = positionals[0] ?? 'dev';
    const flags = [...(options['refresh'] === true ? ['--refresh'] : []), ...rest];
    if (options['offline'] !== true) return show(stack, flags, terminal, {});
    return offline(stack, 'preview', undefined, (env) => show(stack, flags, terminal, env));
  },
};
