import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const sha256 = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** A registry that `docker push` can push to: it checks every digest, and keeps manifests only. Nothing can be pulled. */
export class Registry {
  /** `repository:tag` -> digest of its manifest, newest last. */
  readonly tags = new Map<string, string>();
  readonly #blobs = new Set<string>();
  readonly #uploads = new Map<string, Buffer[]>();
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  #next = 0;

  /** @returns `127.0.0.1:<port>` */
  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const url = new URL(request.url ?? '/', 'http://registry');
    const end = (status: number, headers: Record<string, string | number> = {}) =>
      response.writeHead(status, { 'content-length': 0, ...headers }).end();
    const [, repository, kind, name] =
      /^\/v2\/(.+)\/(blobs\/uploads|blobs|manifests)\/(.*)$/.exec(url.pathname) ?? [];
    if (url.pathname === '/v2/') return void end(200);
    if (kind === 'blobs') return void end(this.#blobs.has(name!) ? 200 : 404);
    if (kind === 'manifests') {
      if (request.method !== 'PUT') return void end(404);
      const digest = sha256(Buffer.concat(chunks));
      this.tags.set(`${repository}:${name}`, digest);
      return void end(201, { 'docker-content-digest': digest });
    }
    if (kind !== 'blobs/uploads') return void end(404);
    const id = request.method === 'POST' ? String(this.#next++) : name!;
    const parts = this.#uploads.get(id) ?? [];
    parts.push(...chunks);
    this.#uploads.set(id, parts);
    const location = `/v2/${repository}/blobs/uploads/${id}`;
    if (request.method !== 'PUT') {
      const size = parts.reduce((sum, part) => sum + part.length, 0);
      return void end(202, { location, range: `0-${Math.max(0, size - 1)}` });
    }
    this.#uploads.delete(id);
    const digest = sha256(Buffer.concat(parts));
    if (digest !== url.searchParams.get('digest')) return void end(400);
    this.#blobs.add(digest);
    end(201, { location: `/v2/${repository}/blobs/${digest}`, 'docker-content-digest': digest });
  }
}
