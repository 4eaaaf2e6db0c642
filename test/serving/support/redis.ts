import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Certificate } from './certificates.ts';

const program = ['valkey-server', 'redis-server'].find((name) => spawnSync(name, ['--version']).status === 0);

/** Tests with a cache server count as skipped where there is neither Valkey nor Redis. */
export const hasRedis = program !== undefined;

export interface RedisServer {
  readonly port: number;
  /** Ends it at once. */
  kill(): Promise<void>;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** A server in memory with a password; over TLS where there is a certificate. */
export async function startRedis(
  password: string,
  port: number,
  certificate?: Certificate & { readonly caFile: string },
): Promise<RedisServer> {
  const tls =
    certificate === undefined
      ? ['--port', String(port)]
      : [
          ...['--port', '0', '--tls-port', String(port), '--tls-auth-clients', 'no'],
          ...['--tls-cert-file', certificate.certFile, '--tls-key-file', certificate.keyFile],
          ...['--tls-ca-cert-file', certificate.caFile],
        ];
  const options = ['--bind', '127.0.0.1', '--requirepass', password, '--save', '', '--appendonly', 'no'];
  const child: ChildProcess = spawn(program as string, [...tls, ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  for await (const part of child.stdout as AsyncIterable<Buffer>) {
    output += part;
    if (/Ready to accept connections/.test(output)) break;
  }
  if (child.exitCode !== null) throw new Error(`it did not start: ${output}`);
  return {
    port,
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}
