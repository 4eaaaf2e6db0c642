import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { identify, type KeptVersion, KeptVersions } from '../../conversion/index.ts';
import { type Command, exitCodes } from '../command.ts';
import { CliError } from '../errors.ts';
import { devPaths, projectRoot } from '../paths.ts';
import { pulumi } from '../pulumi.ts';
import type { Terminal } from '../terminal.ts';

interface DeployedModel {
  readonly digest: string;
  readonly sourceSha256: string;
  readonly source: string;
}

/** What the dev stack's state says of a model. @throws CliError CLI_UNKNOWN_MODEL */
async function deployed(model: string, terminal: Terminal): Promise<DeployedModel> {
  const { code, stdout } = await pulumi('dev', ['stack', 'export'], terminal, { show: false });
  const state =
    code === 0
      ? (JSON.parse(stdout) as {
          deployment?: { resources?: { type: string; inputs?: Record<string, unknown> }[] };
        })
      : {};
  const found = state.deployment?.resources?.find(
    ({ type, inputs }) => type === 'modelmile:index:ConvertedModel' && inputs?.['name'] === model,
  );
  if (found === undefined)
    throw new CliError('CLI_UNKNOWN_MODEL', `The dev stack does not serve a model '${model}'.`);
  return found.inputs as unknown as DeployedModel;
}

/** The version to go back to. @throws CliError CLI_USAGE, CLI_NOTHING_KEPT */
function choose(
  versions: readonly KeptVersion[],
  current: string,
  wanted: string | undefined,
  model: string,
): KeptVersion {
  if (wanted !== undefined && !/^[0-9a-f]{4,64}$/.test(wanted)) {
    throw new CliError('CLI_USAGE', `--to '${wanted}': at least the first four digits of a digest.`);
  }
  const found = versions.filter(({ digest }) =>
    wanted === undefined ? digest !== current : digest.startsWith(wanted),
  );
  const what = wanted === undefined ? 'other version' : `version ${wanted}`;
  if (found[0] === undefined) throw new CliError('CLI_NOTHING_KEPT', `Of '${model}' no ${what} is kept.`);
  if (wanted !== undefined && found.length > 1) {
    throw new CliError('CLI_USAGE', `--to '${wanted}' begins ${found.length} digests: give more digits.`);
  }
  if (found[0].digest === current)
    throw new CliError('CLI_NOTHING_KEPT', `'${model}' serves ${current.slice(0, 12)} already.`);
  return found[0];
}

export const rollback: Command = {
  usage: '[model] [--to DIGEST] [--list]',
  details:
    'Serves a kept version again, as a new version number, so that the latest version is always what is meant. It needs no source\n' +
    'file, and the next plain `up` does not undo it: only a source with other bytes does.',
  examples: ['modelmile rollback', 'modelmile rollback model --list', 'modelmile rollback model --to 1a2b3c'],
  minPositionals: 0,
  maxPositionals: 1,
  options: {
    to: {
      type: 'string',
      value: 'DIGEST',
      help: 'the version to go back to, by the first digits of its digest; the one before where left out',
    },
    list: { type: 'boolean', help: 'show the kept versions and change nothing' },
  },
  async run({ positionals, options, terminal }) {
    const model = positionals[0] ?? 'model';
    const kept = new KeptVersions(devPaths().keptModels);
    const current = await deployed(model, terminal);
    const versions = await kept.list(model);
    if (options['list'] === true) {
      for (const { digest, manifest } of versions) {
        const accuracy = manifest.accuracy === undefined ? '' : `  accuracy ${manifest.accuracy.value}`;
        terminal.line(
          `${digest === current.digest ? '*' : ' '} ${digest.slice(0, 12)}${accuracy}  ${manifest.recipe.method}`,
        );
      }
      terminal.document(
        versions.map(({ digest, keptAtMs, manifest }) => ({
          digest,
          keptAtMs,
          current: digest === current.digest,
          accuracy: manifest.accuracy?.value,
        })),
      );
      return exitCodes.ok;
    }
    const wanted = options['to'] as string | undefined;
    const target = choose(versions, current.digest, wanted, model);
    const source = resolve(projectRoot, current.source);
    const insteadOf = existsSync(source) ? (await identify(source)).sha256 : current.sourceSha256;
    await kept.crown({ model, digest: target.digest, insteadOf, reason: 'rollback', atMs: Date.now() });
    const { code } = await pulumi('dev', ['up', '--yes', '--skip-preview'], terminal, { show: true });
    if (code !== 0) return exitCodes.failed;
    terminal.line(
      `'${model}' is back at ${target.digest.slice(0, 12)}; a plain \`modelmile up\` keeps it there.`,
    );
    terminal.document({ model, digest: target.digest });
    return exitCodes.ok;
  },
};
