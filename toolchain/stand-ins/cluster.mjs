import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { parse } from 'yaml';

const fieldManager = 'modelmile';
/** How long a deleted object may take to go. */
const goneMs = 120_000;

const named = (list, name, what) => {
  const found = (list ?? []).find((one) => one.name === name);
  if (found === undefined) throw new Error(`the kubeconfig has no ${what} '${name}'`);
  return found;
};
const bytes = (inline, file) =>
  inline !== undefined ? Buffer.from(inline, 'base64') : file !== undefined ? readFileSync(file) : undefined;

/** Address and credentials out of a kubeconfig: the given text or file, else KUBECONFIG, else ~/.kube/config. */
function connection({ kubeconfig, context } = {}) {
  const path = process.env.KUBECONFIG?.split(delimiter)[0] || join(homedir(), '.kube', 'config');
  const text = kubeconfig?.includes('\n') ? kubeconfig : readFileSync(kubeconfig ?? path, 'utf8');
  const config = parse(text);
  const chosen = named(config.contexts, context ?? config['current-context'], 'context').context;
  const { cluster } = named(config.clusters, chosen.cluster, 'cluster');
  const { user } = named(config.users, chosen.user, 'user');
  if (user.exec !== undefined || user['auth-provider'] !== undefined)
    throw new Error(
      'the stand-in takes tokens and client certificates; a kubeconfig with exec needs the real plugin',
    );
  const token = user.token ?? (user.tokenFile && readFileSync(user.tokenFile, 'utf8').trim());
  return {
    url: new URL(cluster.server),
    tls: {
      ca: bytes(cluster['certificate-authority-data'], cluster['certificate-authority']),
      cert: bytes(user['client-certificate-data'], user['client-certificate']),
      key: bytes(user['client-key-data'], user['client-key']),
      rejectUnauthorized: cluster['insecure-skip-tls-verify'] !== true,
    },
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  };
}

/** An API server: discovery, server-side apply, deletion. */
export class Cluster {
  #connection;
  #discovered = new Map();

  /** @throws Error saying what the kubeconfig lacks */
  constructor(options) {
    this.#connection = connection(options);
  }

  #call(method, path, body, type = 'application/json') {
    const { url, tls, headers } = this.#connection;
    return new Promise((resolve, reject) => {
      const call = request(
        new URL(path, url),
        { method, ...tls, headers: { ...headers, accept: 'application/json', 'content-type': type } },
        (answer) => {
          let text = '';
          answer.setEncoding('utf8').on('data', (chunk) => {
            text += chunk;
          });
          answer.on('end', () =>
            resolve({ status: answer.statusCode, body: text.startsWith('{') ? JSON.parse(text) : {} }),
          );
        },
      );
      call.on('error', (error) => reject(new Error(`${url.origin} does not answer: ${error.message}`)));
      call.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  /** How a kind is spelled in paths, asked of the server. */
  async #kind(apiVersion, kind) {
    const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    const { body } = await (this.#discovered.get(root) ?? this.#call('GET', root));
    const found = (body.resources ?? []).find((one) => one.kind === kind && !one.name.includes('/'));
    if (found === undefined)
      throw new Error(
        `the cluster knows no ${apiVersion} ${kind}: install what defines it, or change the setting that asks for it`,
      );
    this.#discovered.set(root, Promise.resolve({ body }));
    return { root, ...found };
  }

  async #path({ apiVersion, kind, metadata: { name, namespace } }) {
    const { root, name: plural, namespaced } = await this.#kind(apiVersion, kind);
    return namespaced
      ? `${root}/namespaces/${namespace ?? 'default'}/${plural}/${name}`
      : `${root}/${plural}/${name}`;
  }

  /** @returns the object as the server has it. @throws Error with what the server says */
  async apply(object) {
    const query = `?fieldManager=${fieldManager}&force=true&fieldValidation=Strict`;
    const path = await this.#path(object);
    const { status, body } = await this.#call('PATCH', path + query, object, 'application/apply-patch+yaml');
    if (status === 200 || status === 201) return body;
    throw new Error(`${object.kind} ${object.metadata.name}: ${body.message ?? `HTTP ${status}`}`);
  }

  async exists(object) {
    return (await this.#call('GET', await this.#path(object))).status !== 404;
  }

  /** Until it is gone. */
  async delete(object) {
    const path = await this.#path(object);
    const { status, body } = await this.#call('DELETE', path, { propagationPolicy: 'Background' });
    if (status === 404) return;
    if (status >= 300)
      throw new Error(`${object.kind} ${object.metadata.name}: ${body.message ?? `HTTP ${status}`}`);
    const deadline = Date.now() + goneMs;
    while (await this.exists(object)) {
      if (Date.now() > deadline)
        throw new Error(
          `${object.kind} ${object.metadata.name} is still there after ${goneMs / 1000} s: look at its finalizers`,
        );
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}
