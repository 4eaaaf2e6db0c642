import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { clusterFolder, programs } from '../../toolchain/test-cluster/location.mjs';
import { crds } from './kubernetes-schema.ts';

type Json = Record<string, unknown>;

/** What the API server said to one object. */
export interface Answer {
  readonly status: number;
  readonly body: Json & { readonly message?: string };
  /** Warning headers: deprecated fields, Pod Security and the like. */
  readonly warnings: readonly string[];
}

/**
 * Folder with `etcd`, `kube-apiserver` and `kube-controller-manager` 1.34: MODELMILE_KUBERNETES_BIN, what
 * `node toolchain/test-cluster/install.mjs` built, or wherever PATH has them.
 */
export function kubernetesBinaries(): string | undefined {
  const folders = [
    process.env['MODELMILE_KUBERNETES_BIN'] ?? '',
    clusterFolder(),
    ...(process.env['PATH'] ?? '').split(delimiter),
  ];
  return folders.find((folder) => folder && programs.every((name) => existsSync(join(folder, name))));
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** A real etcd and API server on loopback, with its controllers and without nodes: it checks, admits and controls, and nothing runs. */
export class ApiServer {
  readonly #folder = mkdtempSync(join(tmpdir(), 'modelmile-api-'));
  readonly #token = randomUUID();
  readonly #children: ChildProcess[] = [];
  #port = 0;

  async start(binaries: string): Promise<void> {
    const [client, peer, port] = [await freePort(), await freePort(), await freePort()];
    this.#port = port;
    const at = (name: string) => join(this.#folder, name);
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    writeFileSync(at('account.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
    writeFileSync(at('tokens.csv'), `${this.#token},admin,admin,system:masters\n`);
    const local = (number: number) => `http://127.0.0.1:${number}`;
    this.#run(join(binaries, 'etcd'), [
      `--data-dir=${at('etcd')}`,
      `--listen-client-urls=${local(client)}`,
      `--advertise-client-urls=${local(client)}`,
      `--listen-peer-urls=${local(peer)}`,
      `--initial-advertise-peer-urls=${local(peer)}`,
      `--initial-cluster=default=${local(peer)}`,
      '--unsafe-no-fsync',
    ]);
    this.#run(join(binaries, 'kube-apiserver'), [
      `--etcd-servers=${local(client)}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${port}`,
      `--cert-dir=${at('certs')}`,
      `--token-auth-file=${at('tokens.csv')}`,
      '--authorization-mode=AlwaysAllow',
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${at('account.key')}`,
      `--service-account-signing-key-file=${at('account.key')}`,
      '--service-cluster-ip-range=10.96.0.0/16',
    ]);
    await this.#until(
      async () => (await this.call('GET', '/readyz')).status === 200,
      'the API server is not ready',
    );
    this.#run(join(binaries, 'kube-controller-manager'), [
      `--kubeconfig=${this.kubeconfig}`,
      `--service-account-private-key-file=${at('account.key')}`,
      '--leader-elect=false',
      '--secure-port=0',
    ]);
  }

  /** A file for clients. */
  get kubeconfig(): string {
    const path = join(this.#folder, 'kubeconfig');
    const config = {
      'current-context': 'test',
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
      clusters: [
        {
          name: 'test',
          cluster: { server: `https://127.0.0.1:${this.#port}`, 'insecure-skip-tls-verify': true },
        },
      ],
      users: [{ name: 'admin', user: { token: this.#token } }],
    };
    writeFileSync(path, JSON.stringify({ apiVersion: 'v1', kind: 'Config', ...config }));
    return path;
  }

  /** Defines the custom resources that stacks use. */
  async defineCustomResources(): Promise<void> {
    for (const [key, { scope, plural, schema }] of Object.entries(crds)) {
      const [group, version, kind] = key.split('/') as [string, string, string];
      const annotations = {
        'api-approved.kubernetes.io': 'https://github.com/kubernetes-sigs/gateway-api/pull/1',
      };
      const names = { plural, kind, singular: kind.toLowerCase(), listKind: `${kind}List` };
      const versions = [{ name: version, served: true, storage: true, schema: { openAPIV3Schema: schema } }];
      const definition = {
        apiVersion: 'apiextensions.k8s.io/v1',
        kind: 'CustomResourceDefinition',
        metadata: { name: `${plural}.${group}`, annotations },
        spec: { group, scope, names, versions },
      };
      const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
      const { status, body } = await this.create(path, definition, false);
      if (status !== 201) throw new Error(`${key}: ${status} ${body.message}`);
    }
    for (const [key, { plural }] of Object.entries(crds))
      await this.waitFor(`/apis/${key.slice(0, key.lastIndexOf('/'))}/${plural}`);
  }

  /** Makes an object (or only checks it) with strict validation: unknown and duplicate fields are refused. */
  create(path: string, object: Json, dryRun: boolean): Promise<Answer> {
    return this.call('POST', `${path}?fieldValidation=Strict${dryRun ? '&dryRun=All' : ''}`, object);
  }

  call(method: string, path: string, object?: Json): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const call = request(
        {
          host: '127.0.0.1',
          port: this.#port,
          method,
          path,
          // Its certificate is made at start and known to nobody.
          rejectUnauthorized: false,
          headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
        },
        (answer) => {
          let text = '';
          answer.on('data', (chunk) => {
            text += chunk;
          });
          answer.on('end', () =>
            resolve({
              status: answer.statusCode ?? 0,
              body: text.startsWith('{') ? JSON.parse(text) : {},
              warnings: [answer.headers['warning'] ?? []].flat() as string[],
            }),
          );
        },
      );
      call.on('error', reject);
      call.end(object === undefined ? undefined : JSON.stringify(object));
    });
  }

  /** Waits until `ready`, at most two minutes: machines are slow. */
  async #until(ready: () => Promise<boolean>, otherwise: string): Promise<void> {
    const deadline = Date.now() + 120_000;
    while (!(await ready().catch(() => false))) {
      if (Date.now() > deadline) throw new Error(otherwise);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  waitFor(path: string): Promise<void> {
    return this.#until(async () => (await this.call('GET', path)).status === 200, `${path} does not come`);
  }

  #run(command: string, args: string[]): void {
    this.#children.push(spawn(command, args, { stdio: 'ignore', cwd: this.#folder }));
  }

  async stop(): Promise<void> {
    for (const child of this.#children.reverse()) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      if (child.exitCode === null && child.kill('SIGKILL')) await ended;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
