import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const entry = fileURLToPath(new URL('./stand-ins/provider.mjs', import.meta.url));
/** Native provider plugins of the program. */
const packages = ['aws', 'docker', 'kubernetes'] as const;

export interface Offline {
  /** Additions to the environment of a Pulumi command. */
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/**
 * What a preview needs where there are neither provider plugins nor credentials nor a cluster: stand-ins for the plugins, and a
 * throw-away state, so that nothing that is shown can ever be applied.
 */
export async function goOffline(): Promise<Offline> {
  const state = await mkdtemp(join(tmpdir(), 'modelmile-offline-'));
  const children = packages.map((name) =>
    spawn(process.execPath, [entry, name], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] }),
  );
  const ports = await Promise.all(
    children.map(async (child) => {
      const [line] = (await once(child.stdout!, 'data')) as [Buffer];
      return Number(line.toString());
    }),
  );
  return {
    env: {
      PULUMI_DEBUG_PROVIDERS: packages.map((name, i) => `${name}:${ports[i]}`).join(','),
      PULUMI_BACKEND_URL: `file://${state}`,
      PULUMI_CONFIG_PASSPHRASE: '',
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: 'true',
      // Read by nobody: the stand-ins ask no cloud. Programs that look for them find them.
      AWS_REGION: process.env['AWS_REGION'] ?? 'eu-central-1',
    },
    async stop() {
      for (const child of children) child.kill();
      await rm(state, { recursive: true, force: true });
    },
  };
}
