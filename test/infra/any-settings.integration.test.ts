import { describe, it } from '@jest/globals';
import { prodIsSound, stagingIsSound } from './any-settings.ts';

/** A hundredth of the full counts (`npm run test:full -- infra`). */
const seed = 1;
/** Each of them builds a whole stack. */
const patientMs = 300_000;

describe('any valid settings give manifests that the API server takes, and keep every policy', () => {
  it('of staging', () => stagingIsSound(4, seed), patientMs);
  it('of prod', () => prodIsSound(2, seed), patientMs);
});
