import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type HomePaths, readServerState, type ServerState } from '../serving/contract/index.ts';
import { CliError } from './errors.ts';

/** A server of this checkout that runs now. */
export interface RunningServer {
  readonly stateDir: string;
  readonly state: ServerState;
}

/** Below it each server of `modelmile serve` has its folder. */
export const servedFolder = ({ home }: Pick<HomePaths, 'home'>): string => join(home, 'serve');

/** The dev stack's server first, then those of `modelmile serve`. @throws ControlError where one is there and does not answer */
export async function runningServers(paths: HomePaths): Promise<RunningServer[]> {
  const served = await readdir(servedFolder(paths)).catch(() => []);
  const folders = [paths.stateDir, ...served.sort().map((name) => join(servedFolder(paths), name))];
  const states = await Promise.all(folders.map((folder) => readServerState(folder)));
  return folders.flatMap((stateDir, at) => {
    const state = states[at];
    return state === undefined ? [] : [{ stateDir, state }];
  });
}

const told = ({ stateDir, state }: RunningServer, paths: HomePaths): string =>
  `--port ${state.rest.port} (${stateDir === paths.stateDir ? 'the dev stack' : 'modelmile serve'}: ${state.models.map(({ name }) => name).join(', ')})`;

/**
 * The server that has the feedback to a model: the one that serves it, or the only one, for of a model that is served no more there may be feedback.
 * @param port REST port of the one that is meant
 * @throws CliError CLI_NO_SERVER, CLI_SEVERAL_SERVERS, CLI_NOT_SERVED
 */
export async function serverOf(
  model: string,
  port: number | undefined,
  paths: HomePaths,
): Promise<RunningServer> {
  const all = await runningServers(paths);
  if (all.length === 0)
    throw new CliError(
      'CLI_NO_SERVER',
      "No server is running on this machine, neither the dev stack's nor one of `modelmile serve`.",
    );
  const list = (servers: readonly RunningServer[]) => servers.map((each) => told(each, paths)).join(', ');
  const named = port === undefined ? all : all.filter(({ state }) => state.rest.port === port);
  const serving = named.filter(({ state }) => state.models.some(({ name }) => name === model));
  const [only, ...others] = serving.length > 0 ? serving : named;
  if (only === undefined)
    throw new CliError('CLI_NOT_SERVED', `No server answers at --port ${port}; there are: ${list(all)}.`);
  if (others.length === 0) return only;
  throw serving.length > 0
    ? new CliError('CLI_SEVERAL_SERVERS', `'${model}' is served by several: ${list(serving)}.`)
    : new CliError('CLI_NOT_SERVED', `No server has a model '${model}'; there are: ${list(all)}.`);
}
