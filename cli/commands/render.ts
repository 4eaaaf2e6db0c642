import { readdir, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { makeFolder } from '../../conversion/index.ts';
import { type Command, exitCodes } from '../command.ts';
import { CliError } from '../errors.ts';
import { counted } from '../figures.ts';
import { ensureStack, pulumi } from '../pulumi.ts';
import { stackPlace } from '../stack-file.ts';
import { offline } from '../stand-ins.ts';

const index = 'kustomization.yaml';

/** An empty folder to write into: one of an earlier run is emptied, anything else is left alone. */
async function emptied(folder: string): Promise<void> {
  const entries = await readdir(folder).catch(() => [] as string[]);
  if (entries.length > 0 && !entries.includes(index))
    throw new CliError('CLI_USAGE', `${folder} is not empty and was not written by \`modelmile render\`.`);
  await rm(folder, { recursive: true, force: true });
  await makeFolder(folder);
}

export const render: Command = {
  usage: '[--stack STACK] --out DIR',
  details:
    "Writes the stack's Kubernetes objects as YAML, one file an object, with a kustomization.yaml: for GitOps and for reviews. The same\n" +
    'settings and models give the same bytes. What is known only after `up` (addresses that AWS gives) is written as known-after-up and\n' +
    'listed. The image is named by its content, or by digest where `image` is set.',
  examples: ['modelmile render --stack staging --out rendered/staging', 'kubectl diff -k rendered/staging'],
  minPositionals: 0,
  maxPositionals: 0,
  options: {
    stack: { type: 'string', value: 'STACK', help: 'kubernetes or aws', default: 'staging' },
    out: { type: 'string', value: 'DIR', help: 'folder, emptied first' },
  },
  async run({ options, terminal }) {
    const stack = options['stack'] as string;
    if (options['out'] === undefined) throw new CliError('CLI_USAGE', 'modelmile render: --out is missing.');
    const folder = resolve(options['out'] as string);
    if ((await stackPlace(stack)).platform === 'local')
      throw new CliError(
        'CLI_NOTHING_TO_RENDER',
        `The stack '${stack}' is on this machine: it has no Kubernetes objects.`,
      );
    await emptied(folder);
    terminal.progress(`rendering ${stack}`);
    const { code, stdout, stderr } = await offline(stack, 'render', folder, async (env) => {
      await ensureStack(stack, terminal, env);
      return pulumi(stack, ['preview'], terminal, { show: false, env });
    });
    if (code !== 0) throw new CliError('CLI_PULUMI_FAILED', (stderr.trim() || stdout.trim()).slice(-4000));
    const files = (await readdir(folder, { recursive: true }))
      .filter((file) => file.endsWith('.yaml'))
      .map((file) => file.replaceAll('\\', '/'))
      .sort();
    const kustomization = { apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization' };
    await writeFile(join(folder, index), stringify({ ...kustomization, resources: files }));
    terminal.line(`${counted(files.length, 'object')} of ${stack} in ${folder}`);
    terminal.document({ stack, folder, files });
    return exitCodes.ok;
  },
};
