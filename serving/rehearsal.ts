import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { RemoteRunner } from './canary/remote-runner.ts';
import { DataPlane, type DataPlaneParts } from './dataplane.ts';
import type { Servable } from './engine/servable.ts';
import { countOf } from './engine/tensor.ts';
import { ServingError } from './errors.ts';
import { exampleRow } from './example.ts';
import { createLog } from './log.ts';
import type { LoadedModel } from './models.ts';
import { Metrics } from './monitoring/registry.ts';
import { RequestMeter } from './monitoring/request-meter.ts';
import { RestServer, type RestServerContext } from './rest-server.ts';
import { Access } from './security/access.ts';

/** After so many requests a worker answers the next as fast as ever. */
const requests = 60;
/** For a model that takes long, the rest of the request matters little. */
const forMs = 400;
/** What is compiled on the side meanwhile is not left for the time after. */
const pauseMs = 3;
/** Requests and answers with more numbers would say more of their own size than of their way. */
const maxNumbers = 16 * 1024;

/** How many numbers a row comes and goes with: pictures and columns are made into theirs here. */
function numbersOf({ signature, manifest }: Servable): number {
  const given = signature.inputs.filter(({ name }) => manifest.preprocessing?.[name] === undefined);
  const counts = [...given, ...signature.outputs].map(({ shape }) => countOf(shape.map(Math.abs)));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** A request that each model answers, as it comes over the wire. What runs in another process has its own first requests. */
function requestsTo(models: readonly LoadedModel[]): Buffer[] {
  return models.flatMap(({ name, versions }) => {
    const own = [...versions.values()].find(({ runner }) => !(runner instanceof RemoteRunner));
    if (own === undefined || numbersOf(own) > maxNumbers) return [];
    const body = JSON.stringify(exampleRow(own));
    const head = [
      `POST /v1/models/${encodeURIComponent(name)}/versions/${own.version}:predict HTTP/1.1`,
      'host: localhost',
      'content-type: application/json',
      `content-length: ${Buffer.byteLength(body)}`,
    ];
    return [Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`)];
  });
}

/** Both ends of a connection of this process with itself. Whoever else connects meanwhile is let go. */
async function connectionToSelf(): Promise<readonly [client: Socket, server: Socket]> {
  const listener = createServer({ pauseOnConnect: true });
  try {
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
    const { port } = listener.address() as { port: number };
    return await new Promise((resolve, reject) => {
      const client = connect({ port, host: '127.0.0.1', noDelay: true });
      client.once('error', reject).once('close', () => reject(new Error('the connection was not made')));
      listener.on('connection', (socket) => {
        if (socket.remotePort === client.localPort) resolve([client, socket]);
        else socket.destroy();
      });
    });
  } finally {
    listener.close();
  }
}

/** Sends a request and waits for what comes back. @returns whether anything did before the connection was closed */
function isAnswered(client: Socket, request: Buffer): Promise<boolean> {
  if (client.destroyed) return Promise.resolve(false);
  return new Promise((resolve) => {
    const onClose = () => resolve(false);
    client.once('close', onClose);
    client.once('data', () => {
      client.off('close', onClose);
      resolve(true);
    });
    client.write(request);
  });
}

/**
 * Answers requests of its own before those of others: the first ones through code that has never run take tens of milliseconds, and a
 * reload brings such code to every connection at once. Nothing is recorded, logged or counted, and no caller is asked who they are;
 * what goes wrong here goes wrong again where somebody sees it.
 * @returns how many were answered
 */
export async function rehearse(context: RestServerContext, parts: DataPlaneParts): Promise<number> {
  const models = parts.models.map((model) => ({ ...model, traffic: undefined }));
  const rehearsed = requestsTo(models);
  if (rehearsed.length === 0) return 0;
  const log = createLog('silent', 'rehearsal');
  const settings = { ...context.settings, keysFile: undefined, jwt: undefined, tls: undefined };
  const sink = {
    record: () => {},
    feedback: () => Promise.reject(new ServingError('SERVING_NOT_READY', 'This is a rehearsal')),
  };
  const access = await Access.open(settings, context.audit, log);
  const [client, connection] = await connectionToSelf();
  // Whatever is under way then is not waited for, and not computed either.
  const end = setTimeout(() => client.destroy(), forMs);
  const server = await RestServer.open({
    ...context,
    settings,
    log,
    dataPlane: new DataPlane({ ...parts, models, sink, isTraced: false }),
    meter: new RequestMeter(new Metrics(), log),
    access,
  });
  server.accept(connection, () => {});
  let answered = 0;
  while (
    answered < requests &&
    (await isAnswered(client, rehearsed[answered % rehearsed.length] as Buffer))
  ) {
    answered += 1;
    await sleep(pauseMs);
  }
  clearTimeout(end);
  client.destroy();
  server.letIdleGo(0);
  await server.drained();
  return answered;
}
