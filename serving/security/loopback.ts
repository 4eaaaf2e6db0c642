import { isIP } from 'node:net';
import { ServingError } from '../errors.ts';

/** Whether an address can be reached from this machine only. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

function hostOf(header: string): string {
  return header
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase();
}

function originHost(origin: string): string {
  try {
    return new URL(origin).host;
  } catch {
    return origin;
  }
}

interface Place {
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
}

/** Nearly all requests name the host that the one before named. */
let lastLocalHost = '';

/**
 * Without authentication, a request that names another host came by a name that somebody else controls (DNS rebinding), and a
 * foreign Origin is another web page: both are refused.
 * @throws ServingError SERVING_FOREIGN_HOST
 */
export function assertLocalCaller({ host, origin }: Place): void {
  if (host !== undefined && host !== lastLocalHost) {
    if (!isLoopback(hostOf(host))) {
      throw new ServingError('SERVING_FOREIGN_HOST', `The request names the host '${host.slice(0, 200)}'`);
    }
    lastLocalHost = host;
  }
  if (origin !== undefined && !isLoopback(hostOf(originHost(origin)))) {
    throw new ServingError(
      'SERVING_FOREIGN_HOST',
      `The request comes from a page of '${origin.slice(0, 200)}'`,
    );
  }
}

/** @throws ServingError SERVING_FOREIGN_HOST where a web page of another host sends the request */
export function assertSameOrigin({ host, origin }: Place): void {
  if (origin === undefined || originHost(origin) === host) return;
  throw new ServingError(
    'SERVING_FOREIGN_HOST',
    `The request comes from a page of '${origin.slice(0, 200)}'`,
  );
}
