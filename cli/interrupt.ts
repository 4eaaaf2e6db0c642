import { exitCodes } from './command.ts';

/** For a command that has nothing to finish: Ctrl-C ends it as soon as its work lets anybody in. */
export function endOn(signal: AbortSignal): void {
  signal.addEventListener('abort', () => process.exit(exitCodes.interrupted), { once: true });
}
