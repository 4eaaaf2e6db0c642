import { join, resolve } from 'node:path';
import { convertCached, identify, KeptVersions } from '../../conversion/index.ts';
import { conversionOptions } from '../../infra/provider/conversion-options.ts';
import { isNotRunning, streamFeedback } from '../../serving/contract/index.ts';
import { readFeedbackFile, readRecipe, retrain as train } from '../../training/index.ts';
import { type Command, exitCodes } from '../command.ts';
import { CliError } from '../errors.ts';
import { counted, percent } from '../figures.ts';
import { devPaths, projectRoot } from '../paths.ts';
import { stackSettings } from '../stack-file.ts';

export const retrain: Command = {
  usage: '[model] [--feedback FILE] [--trainer NAME]',
  details:
    "Trains a challenger on the base data plus the users' feedback and keeps it only if it is not worse on the held-out set. The next\n" +
    '`modelmile preview` shows it, `modelmile up` serves it. training.json beside the model says how it is trained.',
  examples: ['modelmile retrain', 'modelmile retrain model --feedback feedback.jsonl --trainer tensorflow'],
  minPositionals: 0,
  maxPositionals: 1,
  options: {
    feedback: {
      type: 'string',
      value: 'FILE',
      help: 'from `feedback export`; the running server is asked where left out',
    },
    trainer: { type: 'string', value: 'NAME', help: 'a trainer of training.json (default: the first)' },
  },
  async run({ positionals, options, terminal, signal }) {
    const name = positionals[0] ?? 'model';
    const setting = (await stackSettings('dev')).models.find((model) => model.name === name);
    if (setting === undefined)
      throw new CliError('CLI_UNKNOWN_MODEL', `Pulumi.dev.yaml names no model '${name}'.`);
    const paths = devPaths();
    const source = resolve(projectRoot, setting.source);
    const recipe = await readRecipe(source, options['trainer'] as string | undefined);
    const conversion = conversionOptions(setting, (path) => resolve(projectRoot, path));
    const kept = new KeptVersions(paths.keptModels);
    const { sha256 } = await identify(source);
    const crowned = await kept.champion(name);
    const champion =
      crowned?.insteadOf === sha256
        ? await kept.read(name, crowned.digest)
        : await convertCached(source, conversion, paths.cache);
    const file = options['feedback'] as string | undefined;
    const feedback =
      file === undefined ? streamFeedback(paths.stateDir, name) : readFeedbackFile(resolve(file));
    const result = await train({
      model: name,
      recipe,
      feedback,
      champion,
      sourceSha256: sha256,
      kept,
      workDir: join(paths.home, 'training'),
      conversion,
      onProgress: (text) => terminal.progress(text),
      signal,
    }).catch((error: unknown) => {
      if (isNotRunning(error))
        throw new CliError('CLI_NO_SERVER', 'No server is running on this machine to ask for feedback.');
      throw error;
    });
    const { records, rows, skipped } = result.feedback;
    terminal.line(`feedback    ${counted(records, 'record')}, ${counted(rows, 'row')} to train on`);
    for (const [reason, count] of Object.entries(skipped))
      terminal.line(`            ${count} left out: ${reason}`);
    terminal.line(
      `champion    ${percent(result.champion.accuracy)} on the held-out set (${result.champion.digest.slice(0, 12)})`,
    );
    terminal.line(
      `challenger  ${percent(result.challenger.accuracy)} on the held-out set (${result.challenger.digest.slice(0, 12)})`,
    );
    const { champion: before, challenger: after } = result;
    for (const [label, share] of Object.entries(after.byClass)) {
      const was = before.byClass[Number(label)] as number;
      if (share < was)
        terminal.line(`            class ${label} got worse: ${percent(was)} -> ${percent(share)}`);
    }
    terminal.line(
      result.promoted
        ? 'promoted: `modelmile preview` shows it, `modelmile up` serves it'
        : 'not promoted: the champion stays',
    );
    terminal.document(result);
    return exitCodes.ok;
  },
};
