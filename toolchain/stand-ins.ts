import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { backendFolder, backendUrl } from './pulumi-environment.mjs';

const entry = fileURLToPath(new URL('./stand-ins/provider.mjs', import.meta.url));
/** Native provider plugins of the program. */
const packages = ['aws', 'docker', 'kubernetes'] as const;

/** What stand-ins do: show, write manifests into a folder, or apply what they can. */
export type StandInMode = 'preview' | 'render' | 'apply';

export interface StandIns {
  /** Additions to the environment of a Pulumi command. */
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** Takes the place of the native provider plugins, by environment alone: nothing of the project names a stand-in. */
export async function startStandIns(
  mode: StandInMode,
  env: Readonly<Record<string, string>> = {},
): Promise<StandIns> {
  const child = spawn(process.execPath, [entry, mode, ...packages], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    env: { ...process.env, ...env },
  });
  const [line] = (await once(child.stdout!, 'data')) as [Buffer];
  const ports = JSON.parse(line.toString()) as number[];
  return {
    env: {
      PULUMI_DEBUG_PROVIDERS: packages.map((name, i) => `${name}:${ports[i]}`).join(','),
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: 'true',
    },
    async stop() {
      child.kill();
    },
  };
}

/**
 * What a preview needs where there are neither plugins nor credentials nor a cluster: stand-ins, and a throw-away state, so that nothing
 * that is shown can ever be applied. Where the state is in files it is a copy, so that what changes shows; else everything is new.
 */
export async function goOffline(mode: 'preview' | 'render', renderDir?: string): Promise<StandIns> {
  const state = await mkdtemp(join(tmpdir(), 'modelmile-offline-'));
  const backend = mode === 'preview' ? backendFolder(process.env['PULUMI_BACKEND_URL']) : undefined;
  if (backend !== undefined) await cp(backend, state, { recursive: true });
  const standIns = await startStandIns(
    mode,
    renderDir === undefined ? {} : { MODELMILE_RENDER_DIR: renderDir },
  );
  return {
    env: {
      ...standIns.env,
      PULUMI_BACKEND_URL: backendUrl(state),
      ...(backend === undefined ? { PULUMI_CONFIG_PASSPHRASE: '' } : {}),
      // Read by nobody: the stand-ins ask no cloud. Programs that look for them find them.
      AWS_REGION: process.env['AWS_REGION'] ?? 'eu-central-1',
    },
    async stop() {
      await standIns.stop();
      await rm(state, { recursive: true, force: true });
    },
  };
}
