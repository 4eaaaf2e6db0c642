import { createHash } from 'node:crypto';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';

/**
 * Where the supervisor of a state folder listens for its owner: a Unix socket in a folder only this user can enter (a named pipe
 * on Windows). Not in the state folder itself: socket paths end at about 100 characters.
 */
export function controlSocketPath(stateDir: string): string {
  const id = createHash('sha256').update(stateDir).digest('hex').slice(0, 16);
  if (process.platform === 'win32') return `\\\\.\\pipe\\modelmile-${id}`;
  return join(tmpdir(), `modelmile-${userInfo().uid}`, `${id}.sock`);
}

/** TensorFlow Serving's life of a servable version. */
export const ModelVersionState = z.enum(['START', 'LOADING', 'AVAILABLE', 'UNLOADING', 'END']);

/**
 * Answer of `GET /state` on the control socket. The other calls, all JSON:
 * `POST /apply` takes ServingSettings and answers with the new state after the switch, or 4xx/5xx `{code, error}` with the old
 * settings still serving; `POST /reload` looks at the repository again and answers the same; `POST /drain` finishes what is in flight and ends the process; `GET /feedback?model=m` streams
 * FeedbackRecord lines (NDJSON).
 */
export const ServerState = z.strictObject({
  pid: z.int(),
  startedAtMs: z.int(),
  draining: z.boolean(),
  rest: z.strictObject({ host: z.string(), port: z.int() }),
  grpc: z.strictObject({ host: z.string(), port: z.int() }),
  management: z.strictObject({ host: z.string(), port: z.int() }),
  workers: z.array(z.strictObject({ pid: z.int(), ready: z.boolean() })),
  models: z.array(
    z.strictObject({
      name: z.string(),
      versions: z.array(
        z.strictObject({
          version: z.int().min(1),
          digest: z.string(),
          state: ModelVersionState,
          /** Why it is not AVAILABLE, empty where it is. */
          message: z.string(),
        }),
      ),
    }),
  ),
  /** Why the newest settings or versions are not what serves; empty where they are. */
  refusal: z.string().default(''),
});
export type ServerState = z.infer<typeof ServerState>;
