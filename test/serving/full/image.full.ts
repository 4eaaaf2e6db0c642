/** The image of the target cpu, from `docker run` to ready: `npm run test:full -- serving`. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { convert, writeVersion } from '../../../conversion/index.ts';
import { Docker, hasDocker } from '../../support/docker.ts';
import { fullCount } from '../../support/full-count.ts';
import { importNodeImage, nodeBinary } from '../../support/node-image.ts';

const starts = 10;
const maxBytes = 200e6;
const maxStartMs = 2000;
const image = 'modelmile:full-count';
const base = 'modelmile-node:full-count';
const checkout = fileURLToPath(new URL('../../../', import.meta.url));
const node = (await hasDocker()) ? await nodeBinary() : undefined;

interface Started {
  readonly sizeBytes: number;
  /** From the start of `docker run`, the engine's own work in it. */
  readonly readyMs: readonly number[];
}

const flags = [
  ...['--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '--tmpfs', '/tmp'],
  ...[
    '-v',
    '/var/lib/modelmile',
    '-e',
    'MODELMILE_AUTH=none',
    '-p',
    '127.0.0.1::9090',
    '-p',
    '127.0.0.1::8501',
  ],
];

async function untilReady(address: string): Promise<void> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; ) {
    const answer = await fetch(`http://${address}/readyz`, { signal: AbortSignal.timeout(1000) }).catch(
      () => undefined,
    );
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('the container was not ready within a minute');
}

/** A server is ready without models, too. */
async function assertServes(address: string): Promise<void> {
  const { status } = await fetch(`http://${address}/v1/models/digits`);
  if (status !== 200) throw new Error(`the model is answered for with ${status}`);
}

async function startOften(): Promise<Started> {
  const docker = await Docker.start();
  const models = mkdtempSync(join(tmpdir(), 'modelmile-image-'));
  try {
    await importNodeImage(docker, node as string, base);
    await docker.run('build', '--target', 'cpu', '--build-arg', `NODE=${base}`, '-t', image, checkout);
    // Who runs there is nobody, and reads them all the same.
    chmodSync(models, 0o755);
    const digits = await convert(join(checkout, 'samples', 'digits', 'model.h5'));
    await writeVersion(digits, join(models, 'digits', '1'));
    const readyMs: number[] = [];
    while (readyMs.length < starts) {
      const startedMs = performance.now();
      const id = await docker.run('run', '-d', ...flags, '-v', `${models}:/models:ro`, image);
      await untilReady(await docker.run('port', id, '9090'));
      readyMs.push(performance.now() - startedMs);
      await assertServes(await docker.run('port', id, '8501'));
      await docker.run('rm', '-f', '-v', id);
    }
    const sizeBytes = Number(await docker.run('image', 'inspect', '--format', '{{.Size}}', image));
    return { sizeBytes, readyMs };
  } finally {
    await docker.stop();
    rmSync(models, { recursive: true, force: true });
  }
}

await fullCount<Started>(import.meta.url, {
  title: 'Image',
  what: `The target cpu, built by a real docker and started ${starts} times as nobody, on a read-only root, without capabilities, with the model of samples/digits; from the start of \`docker run\` until /readyz answers 200 and the model is there. It must be below ${maxBytes / 1e6} MB, and the quickest start below ${maxStartMs / 1000} s: what else the machine does only adds.`,
  chunks: 1,
  lacks: node === undefined ? 'docker, or dockerd and root, and npm' : undefined,
  run: startOften,
  report([seen]) {
    const { sizeBytes, readyMs } = seen as Started;
    const sorted = [...readyMs].sort((a, b) => a - b) as [number, ...number[]];
    if (sizeBytes >= maxBytes) throw new Error(`the image has ${sizeBytes} bytes`);
    if (sorted[0] >= maxStartMs) throw new Error(`the quickest start took ${sorted[0]} ms`);
    return {
      'size, MB': (sizeBytes / 1e6).toFixed(0),
      'start to ready, ms, the quickest': sorted[0].toFixed(0),
      'half of them within': (sorted[starts / 2] as number).toFixed(0),
      'the slowest': (sorted.at(-1) as number).toFixed(0),
    };
  },
});
