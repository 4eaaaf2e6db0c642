import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { ServingError } from './errors.ts';
import { createLog } from './log.ts';
import { openControlServer } from './supervisor/control-server.ts';
import { takeOwnership } from './supervisor/ownership.ts';
import { parseSettings } from './supervisor/parse-settings.ts';
import { Supervisor } from './supervisor/supervisor.ts';

/** Beyond lame duck and drain: writing what waits, closing the database. */
const exitGraceMs = 5_000;

/** @throws ServingError SERVING_BAD_SETTINGS */
function readArguments(): { readonly settings: string; readonly 'with-parent'?: boolean | undefined } {
  let fault = '';
  try {
    const { values } = parseArgs({
      options: { settings: { type: 'string' }, 'with-parent': { type: 'boolean' } },
    });
    if (values.settings !== undefined) return { ...values, settings: values.settings };
  } catch (error) {
    fault = `${(error as Error).message}; `;
  }
  throw new ServingError('SERVING_BAD_SETTINGS', `${fault}usage: main.ts --settings FILE [--with-parent]`);
}

/**
 * The service: `node --import tsx serving/main.ts --settings settings.json`. It takes ownership of its state folder, serves, reloads
 * on the control socket and drains on SIGTERM and SIGINT, with `--with-parent` also when who started it is gone. Exit code 1 and one line on standard error where it cannot start.
 */
async function main(): Promise<void> {
  const { settings: path, 'with-parent': withParent = false } = readArguments();
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new ServingError('SERVING_BAD_SETTINGS', `${path}: ${(error as Error).message}`);
  }
  const settings = parseSettings(json);
  const log = createLog(settings.logLevel, 'supervisor');
  const release = await takeOwnership(settings.stateDir);
  const supervisor = new Supervisor(settings, log);
  let shuttingDown = false;
  const shutDown = (): void => {
    if (shuttingDown) return;
    shuttingDown = true;
    log.info('draining');
    // Whatever hangs, the process ends: who asked for it has a deadline of its own.
    const deadlineMs = settings.lameDuckMs + settings.drainTimeoutMs + exitGraceMs;
    setTimeout(() => process.exit(1), deadlineMs).unref();
    // Before anything serves nobody has been answered: there is nothing to finish, and what is being loaded would take its time.
    const drained = supervisor.hasServed ? supervisor.drain() : Promise.resolve();
    void drained.then(async () => {
      await release();
      process.exit(0);
    });
  };
  process.on('SIGTERM', shutDown);
  process.on('SIGINT', shutDown);
  if (withParent) process.once('disconnect', shutDown);
  // What is wrong with it is in the log, the metrics and the state.
  process.on('SIGHUP', () => void supervisor.reload().catch(() => {}));
  try {
    await supervisor.apply(settings);
    await openControlServer(settings.stateDir, supervisor, shutDown);
  } catch (error) {
    // Said by who is to end: that it could not start any more is no news.
    if (shuttingDown) return;
    await supervisor.drain();
    await release();
    throw error;
  }
  if (process.connected) process.send?.('ready');
  else if (withParent) shutDown();
}

main().catch((error: unknown) => {
  const text =
    error instanceof ServingError
      ? `${error.code}: ${error.describe()}`
      : ((error as Error).stack ?? String(error));
  process.stderr.write(`${text}\n`, () => process.exit(1));
});
