import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { goOffline, startStandIns } from '../toolchain/stand-ins.ts';
import type { Option } from './command.ts';
import { CliError } from './errors.ts';
import { projectRoot } from './paths.ts';
import { stackPlace } from './stack-file.ts';

/** Runs `work` with the environment of an offline stack, and leaves Pulumi.<stack>.yaml as it was. */
export async function offline<T>(
  stack: string,
  mode: 'preview' | 'render',
  renderDir: string | undefined,
  work: (env: Readonly<Record<string, string>>) => Promise<T>,
): Promise<T> {
  const file = join(projectRoot, `Pulumi.${stack}.yaml`);
  const before = await readFile(file, 'utf8').catch(() => undefined);
  const standIns = await goOffline(mode, renderDir);
  try {
    return await work(standIns.env);
  } finally {
    await standIns.stop();
    // Pulumi notes the throw-away state's encryption salt in the stack's file.
    if (before !== undefined) await writeFile(file, before);
  }
}

export const standInsOption = {
  'stand-ins': { type: 'boolean', help: 'stand-ins for the plugins of kubernetes and docker' },
} as const satisfies Record<string, Option>;
export const standInsDetails =
  '--stand-ins: where the native plugins cannot be had, kubernetes is applied to the cluster of the kubeconfig (without waiting until\n' +
  'pods are ready) and images are built by the docker command; never on aws.';

/**
 * Runs `work` with the environment of stand-ins that apply, where they are `wanted`.
 * @throws CliError CLI_STAND_INS_REFUSED on aws
 */
export async function withStandIns<T>(
  stack: string,
  wanted: boolean,
  work: (env: Readonly<Record<string, string>>) => Promise<T>,
): Promise<T> {
  if (!wanted) return work({});
  if ((await stackPlace(stack)).platform === 'aws')
    throw new CliError(
      'CLI_STAND_INS_REFUSED',
      `The stack '${stack}' is on aws, which stand-ins only preview.`,
    );
  const standIns = await startStandIns('apply');
  try {
    return await work(standIns.env);
  } finally {
    await standIns.stop();
  }
}
