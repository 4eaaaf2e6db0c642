#!/usr/bin/env node
// `npx pulumi ...` in the checkout: the real CLI with the toolchain's environment (contract 10).
import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileAccessRefusal } from '../file-access.mjs';
import { progressLine } from '../install.mjs';
import { ensurePulumi } from '../pulumi-cli.mjs';
import { backendFolder, checkout, pulumiEnvironment, stackOf } from '../pulumi-environment.mjs';

const args = process.argv.slice(2);
const progress = progressLine();
try {
  const { folder } = await ensurePulumi(progress.report);
  progress.end();
  const env = { ...process.env, ...pulumiEnvironment(stackOf(args), folder) };
  const backend = backendFolder(env.PULUMI_BACKEND_URL);
  if (backend !== undefined) await mkdir(backend, { recursive: true });
  // Flags that choose a folder win; otherwise the checkout is the project, from wherever it is called.
  const elsewhere = args.some((argument) => argument === '-C' || argument.startsWith('--cwd'));
  const child = spawn(join(folder, 'pulumi'), args, {
    stdio: 'inherit',
    env,
    cwd: elsewhere ? undefined : checkout,
  });
  for (const signal of ['SIGINT', 'SIGTERM'])
    process.on(signal, () => signal === 'SIGTERM' && child.kill(signal));
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)));
} catch (error) {
  process.stderr.write(`error: ${fileAccessRefusal(error) ?? (error.code ? error.message : error.stack)}\n`);
  process.exit(1);
}
