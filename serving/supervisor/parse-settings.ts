import { ServingSettings } from '../contract/index.ts';
import { ServingError } from '../errors.ts';
import { assertSafeToListen } from '../security/safe-to-listen.ts';

/** @throws ServingError SERVING_BAD_SETTINGS with every fault and its path, SERVING_NOT_SAFE */
export function parseSettings(json: unknown): ServingSettings {
  const parsed = ServingSettings.safeParse(json);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${issue.path.join('.') || '(top)'}: ${issue.message}`);
    throw new ServingError('SERVING_BAD_SETTINGS', `The settings are not valid: ${faults.join('; ')}`);
  }
  assertSafeToListen(parsed.data);
  return parsed.data;
}
