import type { Log } from '../log.ts';

/** What is kept for those who ask later who did what. */
export type AuditEvent =
  | 'server-started'
  | 'server-drained'
  | 'settings-applied'
  | 'settings-refused'
  | 'model-loaded'
  | 'model-unloaded'
  | 'canary-removed'
  | 'worker-killed'
  | 'caller-unknown'
  | 'caller-refused'
  | 'keys-changed'
  | 'certificates-changed';

/** Where audit events go. Details never hold a key, a token or a payload. */
export interface Audit {
  event(name: AuditEvent, details: Readonly<Record<string, unknown>>): void;
}

/** Most lines a second of events that anybody can cause. */
const maxPerSecond = 20;
const floodable: readonly AuditEvent[] = ['caller-unknown', 'caller-refused'];

/** Audit events as lines of the log, marked `audit`, whatever the log level; collectors keep them apart. */
export class LoggedAudit implements Audit {
  readonly #log: Log;
  #second = 0;
  #lines = 0;

  constructor(log: Log) {
    this.#log = log.child({ audit: true }, { level: 'info' });
  }

  event(name: AuditEvent, details: Readonly<Record<string, unknown>>): void {
    if (floodable.includes(name) && this.#isFlood()) return;
    this.#log.info({ event: name, ...details }, 'audit');
  }

  #isFlood(): boolean {
    const second = Math.floor(Date.now() / 1000);
    if (second !== this.#second) {
      const left = this.#lines - maxPerSecond;
      this.#second = second;
      this.#lines = 0;
      if (left > 0) this.#log.info({ event: 'events-left-out', count: left }, 'audit');
    }
    this.#lines += 1;
    return this.#lines > maxPerSecond;
  }
}
