import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { isNotRunning, readServerState, streamFeedback } from '../../serving/contract/index.ts';
import { type Command, exitCodes } from '../command.ts';
import { CliError } from '../errors.ts';
import { devPaths } from '../paths.ts';

/** Of a model that is served no more there may be feedback; of one that nobody knows there is none. @throws CliError CLI_UNKNOWN_MODEL */
async function checkModel(stateDir: string, model: string): Promise<void> {
  const served = (await readServerState(stateDir))?.models ?? [];
  if (!served.some(({ name }) => name === model))
    throw new CliError(
      'CLI_UNKNOWN_MODEL',
      `There is no feedback to a model '${model}', and the dev stack serves none of that name.`,
    );
}

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
  try {
    await pipeline(lines, file);
    if (records === 0) await checkModel(stateDir, model);
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
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
