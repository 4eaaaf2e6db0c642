import { pino } from 'pino';
import type { ServingSettings } from './contract/index.ts';

/** JSON lines on standard output; never a payload, never a key. */
export function createLog(level: ServingSettings['logLevel'], name: string) {
  return pino({ level, base: { process: name, pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime });
}

export type Log = ReturnType<typeof createLog>;
