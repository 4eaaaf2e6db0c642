import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import { BodyLimits } from '../../serving/body-limits.ts';
import { ServingSettings } from '../../serving/contract/index.ts';
import { RestServer, type RestServerContext } from '../../serving/rest-server.ts';
import { localCaller } from '../../serving/security/caller.ts';
import { until } from '../support/load.ts';

const request = 'GET /console/api/stats HTTP/1.1\r\nHost: localhost\r\n\r\n';

/** A connection to a server without models, whose console has this history, and the server's end of it. */
async function connected(
  history: () => Promise<unknown>,
  use: (client: Socket, seen: () => Socket, limits: BodyLimits) => unknown,
) {
  let seen: Socket | undefined;
  const callerOf = (_: unknown, socket: Socket) => {
    seen = socket;
    return localCaller;
  };
  const settings = ServingSettings.parse({ modelRoot: '/models', stateDir: '/state' });
  const limits = new BodyLimits(settings.maxBodyBytes);
  const context = {
    settings,
    access: { callerOf },
    dataPlane: { for: () => ({ modelNames: () => [] }) },
    meter: { record: () => {} },
    limits,
    history,
  };
  const server = await RestServer.open(context as unknown as RestServerContext);
  const port = createServer({ pauseOnConnect: true }, (socket) => server.accept(socket, () => {}));
  await new Promise<void>((resolve) => port.listen(0, '127.0.0.1', resolve));
  const client = connect((port.address() as AddressInfo).port, '127.0.0.1').pause();
  try {
    await use(client, () => seen as Socket, limits);
  } finally {
    client.destroy();
    port.close();
    server.letIdleGo(0);
    await server.drained();
  }
}

it('who reads nothing of an answer is let go by node:http, too', async () => {
  // More than the system takes of what nobody reads.
  await connected(
    async () => 'z'.repeat(20_000_000),
    async (client, seen) => {
      client.write(request);
      await until(() => seen()?.writableNeedDrain === true, 'the answer is on its way');
      expect(seen().timeout).toBe(120_000);
    },
  );
});

it('who sends on without waiting for answers has no more than a share of all that is under way', async () => {
  const underWay: ((nothing: unknown[]) => void)[] = [];
  const later = () => new Promise((resolve) => underWay.push(resolve));
  await connected(later, async (client) => {
    client.write(request.repeat(6_000));
    await until(() => underWay.length >= 4096, 'the share is taken');
    await sleep(500);
    const most = underWay.length;
    for (const answer of underWay) answer([]);
    expect(most).toBe(4096);
  });
});

it('answers that wait for their turn on a connection are nobody’s once it is gone', async () => {
  let asked = 0;
  const history = async () => {
    asked += 1;
    return 'z'.repeat(2_000_000);
  };
  await connected(history, async (client, seen, limits) => {
    client.write(request.repeat(12));
    await until(
      () => asked === 12 && seen().writableNeedDrain,
      'the first is on its way, and the others wait',
    );
    const isFree = () => {
      const most = 256 * 1024 * 1024;
      try {
        limits.holdAnswer(most, 'somebody');
      } catch {
        return false;
      }
      limits.releaseAnswer(most, 'somebody');
      return true;
    };
    expect(isFree()).toBe(false);
    client.destroy();
    await until(isFree, 'all room for answers is there again');
  });
});
