import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const exec = promisify(execFile);
const environment = { ...process.env, DOCKER_BUILDKIT: '1' };

/** A docker command that has BuildKit: one with the buildx plugin, or one that is old enough to bring it. */
export async function findDocker() {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const command = join(folder, 'docker');
    if (!folder || !existsSync(command)) continue;
    const works = (args) =>
      exec(command, args, { env: environment }).then(
        ({ stdout }) => stdout,
        () => undefined,
      );
    if (await works(['buildx', 'version'])) return command;
    const major = Number(/ (\d+)\./.exec((await works(['--version'])) ?? '')?.[1]);
    if (major < 23) return command;
  }
  throw new Error(
    'there is no docker command with BuildKit: install docker with its buildx plugin, or set image',
  );
}

/** Runs docker with its output on standard error. */
function docker(command, args, input) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env: environment, stdio: ['pipe', 2, 2] });
    child.stdin.end(input);
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0
        ? resolve()
        : reject(new Error(`docker ${args[0]} ended with exit code ${code}; what it said is above`)),
    );
  });
}

/** `docker:index/image:Image`: builds and pushes; the name carries the digest of the content, so a name that is there is not built again. */
async function build({ inputs }) {
  const { imageName, registry, skipPush, build: how } = inputs;
  const command = await findDocker();
  const flags = [
    ['--file', how.dockerfile],
    ['--target', how.target],
    ['--platform', how.platform],
    ['--network', how.network],
    ...Object.entries(how.args ?? {}).map(([name, value]) => ['--build-arg', `${name}=${value}`]),
    ...(how.cacheFrom?.images ?? []).map((image) => ['--cache-from', image]),
  ];
  const given = flags.filter(([, value]) => value !== undefined).flat();
  await docker(command, ['build', '--progress', 'plain', '--tag', imageName, ...given, how.context]);
  if (!skipPush) {
    if (registry?.password !== undefined) {
      const login = ['login', '--username', registry.username, '--password-stdin', registry.server];
      await docker(command, login, registry.password);
    }
    await docker(command, ['push', '--quiet', imageName]);
  }
  const { stdout } = await exec(command, ['image', 'inspect', '--format', '{{json .}}', imageName]);
  const { Id: id, RepoDigests: digests } = JSON.parse(stdout);
  const repository = imageName.slice(0, imageName.lastIndexOf(':'));
  const repoDigest = digests.find((digest) => digest.startsWith(`${repository}@`)) ?? id;
  return { id, outputs: { repoDigest, baseImageName: imageName } };
}

export const standIn = (mode) => ({
  does: mode === 'apply' ? 'it runs the docker command' : 'nothing is built',
  // Manifests for GitOps name the image by its tag, which follows its content: the digest is known once it is built.
  preview: ({ inputs }) => (mode === 'render' ? { repoDigest: inputs.imageName } : {}),
  create: build,
  update: build,
  // Tags stay where they were pushed: a rollback finds them.
  delete: async () => {},
});
