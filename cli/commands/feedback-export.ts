import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { makeFolder } from '../../conversion/index.ts';
import { isNotRunning, type ServerState, streamFeedback } from '../../serving/contract/index.ts';
import { type Command, exitCodes } from '../command.ts';
import { CliError } from '../errors.ts';
import { counted } from '../figures.ts';
import { devPaths } from '../paths.ts';
import { type RunningServer, serverOf } from '../running-servers.ts';
import { wholeNumber } from '../whole-number.ts';

/** Of a model that is served no more there may be feedback; of one that nobody knows there is none. @throws CliError CLI_NOT_SERVED */
function checkModel({ models }: ServerState, model: string): void {
  if (models.some(({ name }) => name === model)) return;
  const names = models.map(({ name }) => `'${name}'`).join(', ') || 'no model';
  throw new CliError(
    'CLI_NOT_SERVED',
    `There is no feedback to a model '${model}'; the server that runs has ${names}.`,
  );
}

/** One FeedbackRecord a line; written whole or not at all. */
async function exportTo(path: string, { stateDir, state }: RunningServer, model: string): Promise<number> {
  await makeFolder(dirname(path));
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
    if (records === 0) checkModel(state, model);
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
  return records;
}

export const feedbackExport: Command = {
  usage: '[model] [--out FILE] [--port N]',
  details:
    'Each line is one JSON object: the feedback (label, rating or correction), the inputs of the row it is about where they are\n' +
    'recorded, and what was answered. `modelmile retrain` reads this file.\n' +
    "Whichever server of this checkout has the model is asked: the dev stack's or one of `modelmile serve`.",
  examples: ['modelmile feedback export model --out feedback.jsonl'],
  minPositionals: 0,
  maxPositionals: 1,
  options: {
    out: { type: 'string', value: 'FILE', help: 'where to write', default: 'feedback.jsonl' },
    port: { type: 'string', value: 'N', help: 'REST port of the server, where several serve the model' },
  },
  async run({ positionals, options, terminal }) {
    const model = positionals[0] ?? 'model';
    const path = resolve(options['out'] as string);
    const port =
      options['port'] === undefined ? undefined : wholeNumber('port', String(options['port']), 65535);
    const server = await serverOf(model, port, devPaths());
    try {
      const records = await exportTo(path, server, model);
      terminal.line(`${counted(records, 'feedback record')} of '${model}' written to ${path}`);
      terminal.document({ model, records, path });
      return exitCodes.ok;
    } catch (error) {
      if (isNotRunning(error)) throw new CliError('CLI_NO_SERVER', 'The server ended while it was asked.');
      throw error;
    }
  },
};
