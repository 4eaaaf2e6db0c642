import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

/** Decides about a request before it is answered; true = it has answered itself. */
export type Gate = (request: IncomingMessage, url: URL, response: ServerResponse) => boolean;

export interface FileServer {
  readonly url: string;
  /** `METHOD path range` of what was asked, oldest first. */
  readonly asked: string[];
  /** Ends the connection after so many bytes of the next file with this name, once the client `hasThem`: an error overtakes bytes. */
  breakOnce(name: string, afterBytes: number, hasThem: () => Promise<void>): void;
  close(): Promise<void>;
}

/** Paths of all files below a folder. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

/** Gives the files of a folder over HTTP, ranges too. */
export async function serveFiles(folder: string, gate: Gate): Promise<FileServer> {
  const asked: string[] = [];
  const breaks = new Map<string, { afterBytes: number; hasThem: () => Promise<void> }>();
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://files');
    asked.push([request.method, url.pathname, request.headers.range].filter(Boolean).join(' '));
    if (gate(request, url, response)) return;
    const path = decodeURIComponent(url.pathname).slice(1);
    const whole = await readFile(join(folder, path)).catch(() => undefined);
    if (whole === undefined) {
      response.writeHead(404).end();
      return;
    }
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const body = whole.subarray(from);
    response.writeHead(from > 0 ? 206 : 200, {
      'content-length': body.length,
      ...(from > 0 && { 'content-range': `bytes ${from}-${whole.length - 1}/${whole.length}` }),
    });
    const name = path.split('/').at(-1) as string;
    const broken = breaks.get(name);
    breaks.delete(name);
    if (broken === undefined) {
      response.end(body);
      return;
    }
    response.write(body.subarray(0, broken.afterBytes));
    await broken.hasThem();
    response.destroy();
  };
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    breakOnce: (name, afterBytes, hasThem) => breaks.set(name, { afterBytes, hasThem }),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
