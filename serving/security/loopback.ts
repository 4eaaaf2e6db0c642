import { isIP } from 'node:net';
import type { ServingSettings } from '../contract/index.ts';
import { ServingError } from '../errors.ts';

/** Whether an address can be reached from this machine only. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/**
 * Contract 7: beyond loopback everything needs authentication.
 * @throws ServingError SERVING_NOT_SAFE naming the listener.
 */
export function assertSafeToListen(settings: ServingSettings, authenticated: boolean): void {
  for (const name of ['rest', 'grpc'] as const) {
    if (!authenticated && !isLoopback(settings[name].host)) {
      throw new ServingError(
        'SERVING_NOT_SAFE',
        `${name}.host is ${settings[name].host} and no keys are set`,
      );
    }
  }
}

function hostOf(header: string): string {
  return header
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase();
}

/**
 * Without authentication, a request that names another host came by a name that somebody else controls (DNS rebinding), and a
 * foreign Origin is another web page: both are refused.
 * @throws ServingError SERVING_FOREIGN_HOST
 */
export function assertLocalCaller(headers: { host?: string | undefined; origin?: string | undefined }): void {
  if (headers.host !== undefined && !isLoopback(hostOf(headers.host))) {
    throw new ServingError('SERVING_FOREIGN_HOST', `The request names the host '${headers.host}'`);
  }
  if (headers.origin !== undefined) {
    let host: string;
    try {
      host = hostOf(new URL(headers.origin).host);
    } catch {
      host = headers.origin;
    }
    if (!isLoopback(host)) {
      throw new ServingError('SERVING_FOREIGN_HOST', `The request comes from a page of '${headers.origin}'`);
    }
  }
}
