import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { controlSocketPath } from '../contract/index.ts';
import { ServingError } from '../errors.ts';
import { listenPrivately } from '../private-socket.ts';
import { parseSettings } from './parse-settings.ts';
import type { Supervisor } from './supervisor.ts';

async function jsonBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}

type Handler = (
  supervisor: Supervisor,
  request: IncomingMessage,
  url: URL,
  shutDown: () => void,
) => Promise<unknown>;

/** The calls of contract/control.ts. */
const calls: Readonly<Record<string, Handler>> = {
  'GET /state': async (supervisor) => supervisor.state(),
  'POST /apply': async (supervisor, request) => {
    await supervisor.apply(parseSettings(await jsonBody(request)));
    return supervisor.state();
  },
  'POST /reload': async (supervisor) => {
    await supervisor.reload();
    return supervisor.state();
  },
  'POST /drain': async (supervisor, _request, _url, shutDown) => {
    shutDown();
    return supervisor.state();
  },
};

async function streamFeedback(supervisor: Supervisor, url: URL, response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  for await (const record of supervisor.feedbackOf(url.searchParams.get('model') ?? '')) {
    if (!response.write(`${JSON.stringify(record)}\n`)) await once(response, 'drain');
  }
  response.end();
}

/** The owner's socket: only this user can enter its folder. */
export async function openControlServer(
  stateDir: string,
  supervisor: Supervisor,
  shutDown: () => void,
): Promise<Server> {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://control');
    const fail = (error: unknown) => {
      const known = error instanceof ServingError;
      response.writeHead(known ? error.http : 500, { 'content-type': 'application/json' }).end(
        JSON.stringify({
          code: known ? error.code : 'INTERNAL',
          error: known ? error.describe() : String(error),
        }),
      );
    };
    if (request.method === 'GET' && url.pathname === '/feedback') {
      streamFeedback(supervisor, url, response).catch(() => response.destroy());
      return;
    }
    const call = calls[`${request.method} ${url.pathname}`];
    if (call === undefined) fail(new ServingError('SERVING_NO_ROUTE', `${request.method} ${url.pathname}`));
    else {
      call(supervisor, request, url, shutDown).then(
        (answer) =>
          response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer)),
        fail,
      );
    }
  });
  // What lies there is of a process that was killed: this one owns the state folder now.
  await listenPrivately(server, controlSocketPath(stateDir));
  return server;
}
