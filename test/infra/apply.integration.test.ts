import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse, stringify } from 'yaml';
import { cached, findOnPath } from '../../toolchain/pulumi-cli.mjs';
import { Checkout } from '../support/checkout.ts';
import { Docker, hasDocker } from '../support/docker.ts';
import { importNodeImage, nodeBinary } from '../support/node-image.ts';
import { Registry } from '../support/registry.ts';
import { ApiServer, kubernetesBinaries } from './api-server.ts';

const binaries = kubernetesBinaries();
const hasEngine = (cached() ?? (await findOnPath())) !== undefined;
const hasEngineOfDocker = await hasDocker();
const node = binaries && hasEngine && hasEngineOfDocker ? await nodeBinary() : undefined;
/** What this machine lacks, in words that the report of a skipped test shows. */
const lacks = [
  hasEngine ? [] : 'the Pulumi engine',
  binaries ? [] : "Kubernetes's programs: node toolchain/test-cluster/install.mjs",
  hasEngineOfDocker ? [] : 'docker, or dockerd and root',
  hasEngine && binaries && hasEngineOfDocker && node === undefined
    ? 'a registry of npm packages with Node'
    : [],
].flat();
const suite = lacks.length > 0 ? describe.skip : describe;
/** Builds and rollouts take seconds; machines that do other things too take minutes. */
const patientMs = 900_000;

const deploymentPath = '/apis/apps/v1/namespaces/modelmile/deployments/modelmile-serving';
const base = 'modelmile-node:test';

const needs = lacks.length > 0 ? ` (not run: lacks ${lacks.join(', ')})` : '';
suite(`stack staging on a real API server, its image built by a real docker${needs}`, () => {
  const registry = new Registry();
  const server = new ApiServer();
  const home = mkdtempSync(join(tmpdir(), 'modelmile-apply-'));
  const before = { ...process.env };
  let checkout: Checkout;
  let docker: Docker;
  let repository: string;

  const settings = (change: (config: Record<string, unknown>) => void) => {
    const path = checkout.path('Pulumi.staging.yaml');
    const file = parse(readFileSync(path, 'utf8')) as { config: Record<string, unknown> };
    change(file.config);
    writeFileSync(path, stringify(file));
  };
  const up = async () => {
    const result = await checkout.modelmile('up', 'staging', '--stand-ins');
    expect(`${result.code} ${result.code === 0 ? '' : result.stderr.slice(-4000)}`).toBe('0 ');
    return result;
  };
  interface Deployment {
    spec: { template: { spec: { containers: { image: string }[] } } };
  }
  const deployment = async () => (await server.call('GET', deploymentPath)).body as unknown as Deployment;
  const deployedImage = async () => (await deployment()).spec.template.spec.containers[0]!.image;
  const edit = (path: string, text: string) =>
    writeFileSync(checkout.path(path), `${readFileSync(checkout.path(path), 'utf8')}\n${text}\n`);

  beforeAll(async () => {
    docker = await Docker.start();
    await importNodeImage(docker, node!, base);
    repository = `${await registry.start()}/serving`;
    await server.start(binaries!);
    await server.defineCustomResources();
    checkout = await Checkout.create();
    settings((config) => {
      config['modelmile:imageRepository'] = repository;
      config['modelmile:imageBuildArgs'] = { NODE: base };
    });
    process.env['KUBECONFIG'] = server.kubeconfig;
    process.env['PULUMI_BACKEND_URL'] = `file://${home}`;
    process.env['PULUMI_CONFIG_PASSPHRASE'] = 'test';
  }, patientMs);

  afterAll(async () => {
    await checkout?.remove();
    await server.stop();
    await registry.stop();
    await docker?.stop();
    process.env = before;
    rmSync(home, { recursive: true, force: true });
  }, patientMs);

  it(
    'comes up: the image is pushed once and deployed by its digest',
    async () => {
      const { stderr } = await up();
      expect(stderr).toContain(
        'a stand-in takes the place of the kubernetes provider: it applies to the cluster',
      );
      expect([...registry.tags.values()].map((digest) => `${repository}@${digest}`)).toEqual([
        await deployedImage(),
      ]);
      // The controllers took the Deployment up; its pods are admitted and wait for a node.
      await server.waitFor('/api/v1/namespaces/modelmile/pods?limit=1');
    },
    patientMs,
  );

  it(
    'builds nothing and changes nothing where only files outside the image changed',
    async () => {
      const { spec } = await deployment();
      edit('docs/architecture.md', 'One more line.');
      edit('infra/digest.ts', '// One more line.');
      const { stderr } = await up();
      expect(stderr).toMatch(/Resources:\s+\d+ unchanged/);
      expect(registry.tags.size).toBe(1);
      // Its generation may change all the same: the autoscaler owns the number of replicas.
      expect((await deployment()).spec.template).toEqual(spec.template);
    },
    patientMs,
  );

  it(
    'builds another image when the code changed, and rolls the Deployment to it',
    async () => {
      const old = await deployedImage();
      edit('serving/version.ts', "export const changed = 'for this test';");
      await up();
      expect(registry.tags.size).toBe(2);
      const now = await deployedImage();
      expect(now).not.toBe(old);
      expect(now).toBe(`${repository}@${[...registry.tags.values()].at(-1)}`);
    },
    patientMs,
  );

  describe('the image', () => {
    const models = () => {
      const versions = checkout.path('.modelmile', 'cache', 'versions');
      return `${join(versions, readdirSync(versions)[0]!)}:/models/model/1:ro`;
    };
    const closed = [
      '--read-only',
      '--cap-drop',
      'ALL',
      '--security-opt',
      'no-new-privileges',
      '--tmpfs',
      '/tmp',
    ];

    it(
      'is below 200 MB, has no shell, and runs as nobody',
      async () => {
        const image = await deployedImage();
        const { Size, Config } = JSON.parse(
          await docker.run('image', 'inspect', '--format', '{{json .}}', image),
        );
        expect(Size).toBeLessThan(200e6);
        expect(Config.User).toBe('65532:65532');
        const shell = docker.run('run', '--rm', '--entrypoint', '/bin/sh', image, '-c', 'exit 0');
        await expect(shell).rejects.toThrow(/no such file|not found/);
      },
      patientMs,
    );

    const readiness = async (address: string) => {
      for (const deadline = Date.now() + patientMs / 3; Date.now() < deadline; ) {
        // A proxy may take a connection that the container does not take yet.
        const answer = await fetch(`http://${address}/readyz`, { signal: AbortSignal.timeout(5000) }).catch(
          () => undefined,
        );
        if (answer?.ok) return await answer.text();
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      return 'not ready';
    };

    it(
      'says both ways to start it where it was started without keys',
      async () => {
        const started = docker.run('run', '--rm', ...closed, await deployedImage());
        await expect(started).rejects.toThrow(/SERVING_NOT_SAFE.*keysFile.*MODELMILE_AUTH=none/s);
      },
      patientMs,
    );

    it(
      'refuses to start where a GPU is asked for and none takes part',
      async () => {
        const settings = JSON.parse(
          readFileSync(checkout.path('toolchain/image/container-gpu.json'), 'utf8'),
        );
        writeFileSync(join(home, 'gpu.json'), JSON.stringify(settings));
        const mount = `${join(home, 'gpu.json')}:/etc/modelmile/settings/settings.json:ro`;
        const volumes = ['-v', models(), '-v', mount, '-v', '/var/lib/modelmile'];
        const image = await deployedImage();
        const started = docker.run('run', '--rm', ...closed, ...volumes, '-e', 'MODELMILE_AUTH=none', image);
        await expect(started).rejects.toThrow(/SERVING_LOAD_FAILED.*Cuda/s);
      },
      patientMs,
    );

    it(
      'answers from a read-only root without capabilities',
      async () => {
        const flags = [...closed, '-v', '/var/lib/modelmile', '-v', models(), '-p', '127.0.0.1::9090'];
        const id = await docker.run(
          'run',
          '-d',
          ...flags,
          '-e',
          'MODELMILE_AUTH=none',
          await deployedImage(),
        );
        expect(await readiness(await docker.run('port', id, '9090'))).toBe('ready on cpu\n');
        await docker.run('rm', '-f', '-v', id);
      },
      patientMs,
    );
  });

  it(
    'shows offline what a change of settings updates and what it replaces, on a copy of the state',
    async () => {
      settings((config) => {
        config['modelmile:monitoring'] = { storageGiB: 30 };
        config['modelmile:load'] = { requestsPerSecond: 200, p95Ms: 300 };
      });
      const { code, stdout } = await checkout.modelmile('preview', 'staging', '--offline', '--json');
      expect(code).toBe(0);
      const { steps } = JSON.parse(stdout) as { steps: { op: string; urn: string }[] };
      const replaced = steps.filter(({ op }) => op === 'replace').map(({ urn }) => urn.split('::').at(-1));
      expect(replaced).toContain('modelmile-staging-monitoring-stack-prometheus');
      expect(steps.filter(({ op }) => op === 'create' || op === 'delete').length).toBeLessThan(
        steps.length / 2,
      );
    },
    patientMs,
  );

  it(
    'goes down again and leaves no namespace behind',
    async () => {
      const { code, stderr } = await checkout.modelmile('down', 'staging', '--stand-ins');
      expect(`${code} ${code === 0 ? '' : stderr.slice(-4000)}`).toBe('0 ');
      expect((await server.call('GET', '/api/v1/namespaces/modelmile')).status).toBe(404);
    },
    patientMs,
  );

  it(
    'refuses to go up on aws',
    async () => {
      const { code, stderr } = await checkout.modelmile('up', 'prod', '--stand-ins');
      expect(code).toBe(1);
      expect(stderr).toContain('is on aws, which stand-ins only preview');
    },
    patientMs,
  );
});
