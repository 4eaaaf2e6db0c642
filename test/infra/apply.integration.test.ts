import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse, stringify } from 'yaml';
import { cached, findOnPath } from '../../toolchain/pulumi-cli.mjs';
import { Checkout, type CommandResult } from '../support/checkout.ts';
import { Docker, hasDocker } from '../support/docker.ts';
import { nodeBinary, nodeRoot } from '../support/node-image.ts';
import { Registry } from '../support/registry.ts';
import { ApiServer, kubernetesBinaries } from './api-server.ts';

const binaries = kubernetesBinaries();
const hasEngine = (cached() ?? (await findOnPath())) !== undefined;
const node = binaries && hasEngine && (await hasDocker()) ? await nodeBinary() : undefined;
/** Needs the Pulumi engine, docker (running, or dockerd and root), Kubernetes's programs and a registry of npm packages. */
const suite = node === undefined ? describe.skip : describe;

const deploymentPath = '/apis/apps/v1/namespaces/modelmile/deployments/modelmile-serving';
const base = 'modelmile-node:test';

suite('stack staging on a real API server, its image built by a real docker', () => {
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
  const up = async (): Promise<CommandResult> => {
    const result = await checkout.modelmile('up', 'staging', '--stand-ins');
    expect(`${result.code} ${result.code === 0 ? '' : result.stderr.slice(-4000)}`).toBe('0 ');
    return result;
  };
  interface Deployment {
    metadata: { generation: number };
    spec: { template: { spec: { containers: { image: string }[] } } };
  }
  const deployment = async () => (await server.call('GET', deploymentPath)).body as unknown as Deployment;
  const deployedImage = async () => (await deployment()).spec.template.spec.containers[0]!.image;
  const edit = (path: string, text: string) =>
    writeFileSync(checkout.path(path), `${readFileSync(checkout.path(path), 'utf8')}\n${text}\n`);

  beforeAll(async () => {
    docker = await Docker.start();
    const root = await nodeRoot(node!);
    const archive = join(home, 'node.tar');
    const { execFileSync } = await import('node:child_process');
    execFileSync('tar', ['-C', root.folder, '-cf', archive, '.']);
    root.remove();
    const environment = ['PATH=/usr/local/bin', 'NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt'];
    await docker.run('import', ...environment.flatMap((one) => ['-c', `ENV ${one}`]), archive, base);
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
  }, 300_000);

  afterAll(async () => {
    await checkout?.remove();
    await server.stop();
    await registry.stop();
    await docker?.stop();
    process.env = before;
    rmSync(home, { recursive: true, force: true });
  }, 120_000);

  it('comes up: the image is pushed once and deployed by its digest', async () => {
    const { stderr } = await up();
    expect(stderr).toContain(
      'a stand-in takes the place of the kubernetes provider: it applies to the cluster',
    );
    expect([...registry.tags.values()].map((digest) => `${repository}@${digest}`)).toEqual([
      await deployedImage(),
    ]);
    // The controllers took the Deployment up; its pods are admitted and wait for a node.
    await server.waitFor('/api/v1/namespaces/modelmile/pods?limit=1');
  }, 300_000);

  it('builds nothing and changes nothing where only files outside the image changed', async () => {
    const { metadata } = await deployment();
    edit('docs/architecture.md', 'One more line.');
    edit('infra/digest.ts', '// One more line.');
    const { stderr } = await up();
    expect(stderr).toMatch(/Resources:\s+\d+ unchanged/);
    expect(registry.tags.size).toBe(1);
    expect((await deployment()).metadata.generation).toBe(metadata.generation);
  }, 300_000);

  it('builds another image when the code changed, and rolls the Deployment to it', async () => {
    const old = await deployedImage();
    edit('serving/version.ts', "export const changed = 'for this test';");
    await up();
    expect(registry.tags.size).toBe(2);
    const now = await deployedImage();
    expect(now).not.toBe(old);
    expect(now).toBe(`${repository}@${[...registry.tags.values()].at(-1)}`);
  }, 300_000);

  it('shows offline what a change of settings updates and what it replaces, on a copy of the state', async () => {
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
  }, 120_000);

  it('goes down again and leaves no namespace behind', async () => {
    const { code, stderr } = await checkout.modelmile('down', 'staging', '--stand-ins');
    expect(`${code} ${code === 0 ? '' : stderr.slice(-4000)}`).toBe('0 ');
    expect((await server.call('GET', '/api/v1/namespaces/modelmile')).status).toBe(404);
  }, 300_000);

  it('refuses to go up on aws', async () => {
    const { code, stderr } = await checkout.modelmile('up', 'prod', '--stand-ins');
    expect(code).toBe(1);
    expect(stderr).toContain('is on aws, which stand-ins only preview');
  }, 60_000);
});
