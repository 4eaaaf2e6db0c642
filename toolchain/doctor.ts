import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { cached, findOnPath, pinnedVersion } from './pulumi-cli.mjs';

const exec = promisify(execFile);

/** One thing that the machine has or lacks. */
export interface Diagnosis {
  readonly what: string;
  /** undefined where it is missing. */
  readonly version: string | undefined;
  /** Whether `npm start` needs it on this machine. */
  readonly needed: boolean;
  readonly purpose: string;
  readonly howToGet: string;
}

async function versionOf(command: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const { stdout, stderr } = await exec(command, [...args], { timeout: 10_000 });
    return /\d+(\.\d+)+/.exec(stdout + stderr)?.[0];
  } catch {
    return undefined;
  }
}

async function onnxruntime(): Promise<string | undefined> {
  try {
    await import('onnxruntime-node');
    const { createRequire } = await import('node:module');
    return (createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string }).version;
  } catch {
    return undefined;
  }
}

/** Looks at this machine; changes and fetches nothing. */
export async function diagnose(): Promise<Diagnosis[]> {
  const pulumi = cached() ?? (await findOnPath());
  const tool = async (
    what: string,
    args: readonly string[],
    needed: boolean,
    purpose: string,
    howToGet: string,
  ) => ({
    what,
    version: await versionOf(what, args),
    needed,
    purpose,
    howToGet,
  });
  return Promise.all([
    {
      what: 'node',
      version: process.versions.node,
      needed: true,
      purpose: 'runs everything',
      howToGet: 'https://nodejs.org, 20.19 or newer',
    },
    tool('npm', ['--version'], true, 'installs the dependencies', 'comes with Node'),
    tool('git', ['--version'], true, 'gets the checkout', 'https://git-scm.com'),
    {
      what: 'pulumi',
      version: pulumi?.version,
      needed: false,
      purpose: 'the engine of `modelmile up`',
      howToGet: `\`npm start\` gets ${pinnedVersion}: the official download, or a build with Go`,
    },
    tool(
      'go',
      ['version'],
      false,
      'builds Pulumi where its download cannot be reached',
      'https://go.dev/dl, 1.26 or newer',
    ),
    {
      what: 'onnxruntime-node',
      version: await onnxruntime(),
      needed: true,
      purpose: 'runs models',
      howToGet: 'npm ci; Linux x64 and arm64, macOS and Windows have binaries',
    },
    tool(
      'docker',
      ['version', '--format', '{{.Server.Version}}'],
      false,
      'builds the serving image',
      'https://docs.docker.com/engine/install',
    ),
    tool(
      'kubectl',
      ['version', '--client'],
      false,
      'looks at a cluster',
      'https://kubernetes.io/docs/tasks/tools',
    ),
    tool('chromium', ['--version'], false, 'the console test', 'your system package manager'),
    tool('promtool', ['--version'], false, 'checks alert rules in tests', 'Debian package prometheus'),
  ]);
}
