import { request } from 'node:http';
import { createInterface } from 'node:readline';
import { controlSocketPath, ServerState } from './control.ts';
import { FeedbackRecord } from './records.ts';
import type { ServingSettingsInput } from './settings.ts';

/** What the supervisor answered instead of doing what it was asked; `code` is from the table of serving's errors. */
export class ControlError extends Error {
  override readonly name = 'ControlError';
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** The supervisor's own answers are small; whoever calls decides how long a reload may take. */
const answerTimeoutMs = 5_000;

function send(stateDir: string, method: string, path: string, body: unknown, timeoutMs: number) {
  return new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const outgoing = request({
      socketPath: controlSocketPath(stateDir),
      method,
      path,
      headers: payload === undefined ? {} : { 'content-type': 'application/json' },
    });
    outgoing.setTimeout(timeoutMs, () =>
      outgoing.destroy(
        new ControlError('CONTROL_TIMEOUT', `The server did not answer ${path} in ${timeoutMs} ms.`),
      ),
    );
    outgoing.on('error', reject);
    outgoing.on('response', resolve);
    outgoing.end(payload);
  });
}

async function exchange(stateDir: string, method: string, path: string, body: unknown, timeoutMs: number) {
  const response = await send(stateDir, method, path, body, timeoutMs);
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8');
  if (response.statusCode === 200) return JSON.parse(text) as unknown;
  let failure: { code?: string; error?: string } = {};
  try {
    failure = JSON.parse(text) as typeof failure;
  } catch {
    failure = { error: text };
  }
  throw new ControlError(failure.code ?? 'CONTROL_FAILED', failure.error ?? `HTTP ${response.statusCode}`);
}

const gone = new Set<string | undefined>(['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE']);

/** No process listens at the control socket, or it ended while it was asked: the server is not running. */
export function isNotRunning(error: unknown): boolean {
  return gone.has((error as NodeJS.ErrnoException).code);
}

/**
 * The state of the server that owns `stateDir`, or undefined where none runs.
 * @throws ControlError where a server is there and does not answer.
 */
export async function readServerState(stateDir: string): Promise<ServerState | undefined> {
  try {
    return ServerState.parse(await exchange(stateDir, 'GET', '/state', undefined, answerTimeoutMs));
  } catch (error) {
    if (isNotRunning(error)) return undefined;
    throw error;
  }
}

/**
 * Zero-drop reload: resolves when the new settings serve.
 * @throws ControlError where they cannot; the old settings serve on.
 */
export async function applySettings(
  stateDir: string,
  settings: ServingSettingsInput,
  timeoutMs: number,
): Promise<ServerState> {
  return ServerState.parse(await exchange(stateDir, 'POST', '/apply', settings, timeoutMs));
}

/** Asks the server to finish what is in flight and end; resolves when it has begun. */
export async function drainServer(stateDir: string): Promise<void> {
  await exchange(stateDir, 'POST', '/drain', {}, answerTimeoutMs);
}

/** The feedback of a model, joined with the rows it is about, oldest first. */
export async function* streamFeedback(stateDir: string, model: string): AsyncGenerator<FeedbackRecord> {
  const path = `/feedback?model=${encodeURIComponent(model)}`;
  const response = await send(stateDir, 'GET', path, undefined, 60_000);
  if (response.statusCode !== 200) {
    response.resume();
    throw new ControlError('CONTROL_FAILED', `The server answered ${path} with HTTP ${response.statusCode}.`);
  }
  for await (const line of createInterface({ input: response })) {
    if (line !== '') yield FeedbackRecord.parse(JSON.parse(line));
  }
}
