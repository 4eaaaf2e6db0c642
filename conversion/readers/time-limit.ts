import { runInNewContext } from 'node:vm';
import { ConversionError } from '../errors.ts';

/** Processor time that reading may take: many times what it needs. */
const leastLimitMs = 4000;
const bytesPerMs = 16_384;
/** Of one try's time to the one's before. */
const [leastFactor, mostFactor] = [1.25, 8];

/** What reading a file of some size may take. */
export const limitMsFor = (sizeBytes: number): number => leastLimitMs + sizeBytes / bytesPerMs;

const processorMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/**
 * Runs what does not wait for anything, and stops it when it has used up its processor time, its `finally` blocks left out. The virtual
 * machine counts time as it passes: on a machine that was busy with other things the work is begun again, with the time that it needs
 * where the machine stays as busy.
 * @throws ConversionError CONVERSION_SOURCE_CORRUPT, or what `run` throws
 */
export function within<T>(limitMs: number, what: string, run: () => T): T {
  for (let timeout = Math.ceil(limitMs); ; ) {
    const startedMs = processorMs();
    try {
      return runInNewContext('run()', { run }, { timeout }) as T;
    } catch (error) {
      if ((error as NodeJS.ErrnoException | undefined)?.code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
      const usedMs = processorMs() - startedMs;
      if (usedMs >= 0.8 * limitMs)
        throw new ConversionError(
          'CONVERSION_SOURCE_CORRUPT',
          `${what}: its structures lead round in circles`,
        );
      timeout = Math.ceil(timeout * Math.max(leastFactor, Math.min(limitMs / usedMs, mostFactor)));
    }
  }
}
