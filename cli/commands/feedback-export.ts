import { createWriteStream } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { isNotRunning, streamFeedback } from '../../serving/contract/index.ts';
import { type Command, exitCodes } from '../command.ts';
import { CliError } from '../errors.ts';
import { devPaths } from '../paths.ts';

/** One FeedbackRecord a line; written whole or not at all. */
async function exportTo(path: string, stateDir: string, model: string): Promise<number> {
  await mkdir(dirname(path), { recursive: true });
  const unfinished = `${path}.part`;
  const file = createWriteStream(unfinished);
  let records = 0;
  async function* lines() {
    for await (const record of streamFeedback(stateDir, model)) {
      records += 1;
      yield `${JSON.stringify(record)}\n`;
    }
  }
  await pipeline(lines, file);
  await rename(unfinished, path);
  return records;
}

export const feedbackExport: Command = {
  usage: '[model] [--out FILE]',
  details:
    'Each line is one JSON object: the feedback (label, rating or correction), the inputs of the row it is about where they are\n' +
    'recorded, and what was answered. `modelmile retrain` reads this file.',
  examples: ['modelmile feedback export model --out feedback.jsonl'],
  minPositionals: 0,
  maxPositionals: 1,
  options: {
    out: { type: 'string', value: 'FILE', help: 'where to write', default: 'feedback.jsonl' },
  },
  async run({ positionals, options, terminal }) {
    const model = positionals[0] ?? 'model';
    const path = resolve(options['out'] as string);
    try {
      const records = await exportTo(path, devPaths().stateDir, model);
      terminal.line(`${records} feedback records of '${model}' written to ${path}`);
      terminal.document({ model, records, path });
      return exitCodes.ok;
    } catch (error) {
      if (isNotRunning(error)) throw new CliError('CLI_NO_SERVER', 'No server is running on this machine.');
      throw error;
    }
  },
};
