import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename, extname, join, resolve } from 'node:path';
import {
  type ConvertOptions,
  convertCached,
  readVersionManifest,
  writeVersion,
} from '../../conversion/index.ts';
import { sizeOfArtifact } from '../../conversion/manifest/index.ts';
import type { ServingSettingsInput } from '../../serving/contract/index.ts';
import { type Command, exitCodes } from '../command.ts';
import { customOption, readFileOptions } from '../conversion-options.ts';
import { CliError } from '../errors.ts';
import { devPaths } from '../paths.ts';
import { listVersionFolders } from '../repository.ts';
import { curlLine, describeTensor, exampleBody } from '../request-example.ts';
import { servedFolder } from '../running-servers.ts';
import { startServing } from '../serving-process.ts';
import type { Terminal } from '../terminal.ts';
import { wholeNumber } from '../whole-number.ts';

/** A name that is a path segment: `My model.h5` is served as `my-model`. */
const modelName = (path: string): string =>
  basename(path, extname(path))
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '') || 'model';

/** @throws CliError CLI_USAGE for what could not stand in a path or an address */
function checkedName(name: string): string {
  if (modelName(`${name}.h5`) === name) return name;
  throw new CliError(
    'CLI_USAGE',
    `--name '${name}': lower-case letters, digits and dashes, for example '${modelName(`${name}.h5`)}'.`,
  );
}

/** Converts a model file into a repository of its own, by content. */
async function repositoryOf(
  source: string,
  how: ConvertOptions,
  name: string | undefined,
  terminal: Terminal,
): Promise<string> {
  const { cache } = devPaths();
  const onProgress = (step: string) => terminal.progress(step);
  const conversion = await convertCached(source, { ...how, onProgress }, cache);
  const served = name ?? modelName(source);
  // Of each name its own: what was once served under another one would be served again beside it.
  const root = join(cache, 'serve', `${conversion.digest.slice(0, 16)}-${served}`);
  await writeVersion(conversion, join(root, served, '1'));
  const { manifest } = conversion;
  const { parity } = manifest;
  terminal.line(
    `gate     passed: largest error ${parity.maxAbsError.toExponential(2)}, allowed ${parity.tolerance.toExponential(2)}; ${sizeOfArtifact(manifest)} bytes`,
  );
  return root;
}

async function announce(
  endpoint: string,
  root: string,
  stateDir: string,
  models: readonly { name: string; version: number }[],
  terminal: Terminal,
) {
  for (const { name, version } of models) {
    const { manifest } = await readVersionManifest(join(root, name, String(version)));
    const signature = manifest.signatures['serving_default'];
    if (signature === undefined) continue;
    const curl = await curlLine(
      endpoint,
      name,
      exampleBody(signature, manifest),
      join(stateDir, `${name}.json`),
    );
    terminal.line(`model    ${name} version ${version}`);
    terminal.line(`inputs   ${signature.inputs.map(describeTensor).join(', ')}`);
    terminal.line(`outputs  ${signature.outputs.map(describeTensor).join(', ')}`);
    terminal.line(`try      ${curl}`);
    terminal.document({ endpoint, console: `${endpoint}/console`, model: name, version, signature, curl });
  }
}

export const serve: Command = {
  usage: '<model or repository> [--port N] [--grpc-port N] [--management-port N] [--workers N]',
  details:
    'Any model in one command: converts it behind the parity gate, serves it on loopback, and prints a request that works. A folder\n' +
    'is taken as a model repository, <folder>/<model>/<version>/. Ctrl-C finishes what is in flight and ends.',
  examples: ['modelmile serve samples/digits/model.h5', 'modelmile serve ./my-model.onnx --port 8080'],
  minPositionals: 1,
  maxPositionals: 1,
  options: {
    port: { type: 'string', value: 'N', help: 'REST API and console; 0 takes a free one', default: '8501' },
    'grpc-port': { type: 'string', value: 'N', help: 'gRPC; 0 takes a free one', default: '8500' },
    'management-port': {
      type: 'string',
      value: 'N',
      help: 'health and metrics; 0 takes a free one',
      default: '9090',
    },
    workers: {
      type: 'string',
      value: 'N',
      help: 'worker processes; 0 = one for each core, at most 4',
      default: '0',
    },
    method: { type: 'string', value: 'NAME', help: 'method of the conversion', default: 'none' },
    ...customOption,
    name: { type: 'string', value: 'NAME', help: 'name it is served under (default: the name of the file)' },
  },
  async run({ positionals, options, terminal, signal }) {
    const port = (option: string) => ({ port: wholeNumber(option, String(options[option]), 65535) });
    const [rest, grpc, management] = [port('port'), port('grpc-port'), port('management-port')];
    const workers = wholeNumber('workers', String(options['workers']), 256);
    const given = options['name'] as string | undefined;
    const name = given === undefined ? undefined : checkedName(given);
    const source = resolve(positionals[0] as string);
    const isRepository =
      (await stat(source).then(
        (found) => found.isDirectory(),
        () => false,
      )) && (await listVersionFolders(source)).length > 0;
    const how = {
      method: options['method'] as string,
      ...(await readFileOptions(options, ['custom'])),
    };
    const root = isRepository ? source : await repositoryOf(source, how, name, terminal);
    const id = createHash('sha256').update(`${root}:${options['port']}`).digest('hex').slice(0, 12);
    const stateDir = join(servedFolder(devPaths()), id);
    const settings: ServingSettingsInput = {
      modelRoot: root,
      stateDir,
      rest,
      grpc,
      management,
      workers,
      recordInputs: true,
    };
    terminal.progress('starting the server');
    const server = await startServing(settings);
    signal.addEventListener('abort', () => {
      terminal.progress('finishing what is in flight');
      server.drain();
    });
    if (signal.aborted) server.drain();
    const endpoint = `http://${server.state.rest.host}:${server.state.rest.port}`;
    const models = server.state.models.flatMap((model) =>
      model.versions.map(({ version }) => ({ name: model.name, version })),
    );
    await announce(endpoint, root, stateDir, models, terminal);
    terminal.line(`console  ${endpoint}/console`);
    terminal.line('Ctrl-C stops it.');
    const code = await server.ended;
    return code === 0 ? exitCodes.ok : exitCodes.failed;
  },
};
