import type { ServingSettings } from '../contract/index.ts';
import { ServingError } from '../errors.ts';
import { isAuthenticated } from './access.ts';
import { isLoopback } from './loopback.ts';

/**
 * Contract 7: beyond loopback everything needs authentication. The one exception is asked for by name in the environment, for a
 * container whose ports are published on loopback only.
 * @throws ServingError SERVING_NOT_SAFE naming the listener and both ways out
 */
export function assertSafeToListen(settings: ServingSettings, env: NodeJS.ProcessEnv = process.env): void {
  if (isAuthenticated(settings) || env['MODELMILE_AUTH'] === 'none') return;
  for (const name of ['rest', 'grpc'] as const) {
    if (isLoopback(settings[name].host)) continue;
    throw new ServingError(
      'SERVING_NOT_SAFE',
      `${name}.host is ${settings[name].host}, which others can reach, and nothing says who may ask`,
    );
  }
}
