import { ServingError } from '../errors.ts';

/** The content of a file, from some byte on. */
export interface RemoteContent {
  /** Byte that the content starts with: the one asked for, or 0 where the server cannot start elsewhere. */
  readonly from: number;
  readonly body: AsyncIterable<Uint8Array>;
}

/** Files of a repository on another machine. */
export interface RemoteFiles {
  /** @throws ServingError SERVING_STORE_UNAVAILABLE */
  models(): Promise<string[]>;
  /** Ascending. @throws ServingError SERVING_STORE_UNAVAILABLE */
  versions(model: string): Promise<number[]>;
  /** @param path below the root. @returns undefined where there is no such file. @throws ServingError SERVING_STORE_UNAVAILABLE */
  read(path: string, from?: number): Promise<RemoteContent | undefined>;
}

/** A server that says nothing for this long is away. */
export const silenceMs = 20_000;

export const unavailable = (what: string): ServingError =>
  new ServingError('SERVING_STORE_UNAVAILABLE', what.slice(0, 500));

/** Bytes of a response, none of which may take longer than `silenceMs`. */
async function* bytesOf(response: Response, where: string): AsyncGenerator<Uint8Array> {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  let timer: NodeJS.Timeout | undefined;
  try {
    for (;;) {
      const silence = new Promise<never>((_, reject) => {
        timer = setTimeout(
          () => reject(unavailable(`${where}: nothing came for ${silenceMs} ms`)),
          silenceMs,
        );
      });
      const part = await Promise.race([reader.read(), silence]);
      clearTimeout(timer);
      if (part.done) return;
      yield part.value;
    }
  } catch (error) {
    throw error instanceof ServingError ? error : unavailable(`${where}: ${messageOf(error)}`);
  } finally {
    clearTimeout(timer);
    await reader.cancel().catch(() => {});
  }
}

/** fetch hides what is wrong in the cause. */
function messageOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
}

/** What a response gives. @throws ServingError SERVING_STORE_UNAVAILABLE */
export async function contentOf(
  where: string,
  ask: (signal: AbortSignal) => Promise<Response>,
): Promise<RemoteContent | undefined> {
  const waiting = new AbortController();
  const timer = setTimeout(() => waiting.abort(new Error(`no answer in ${silenceMs} ms`)), silenceMs);
  let response: Response;
  try {
    response = await ask(waiting.signal);
  } catch (error) {
    throw unavailable(`${where}: ${messageOf(error)}`);
  } finally {
    clearTimeout(timer);
  }
  if (response.status === 404) {
    await response.body?.cancel();
    return undefined;
  }
  if (!response.ok) {
    const said = await response.text().catch(() => '');
    throw unavailable(`${where}: HTTP ${response.status} ${said.slice(0, 300)}`);
  }
  const range = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '');
  return { from: Number(range?.[1] ?? 0), body: response.body === null ? none() : bytesOf(response, where) };
}

async function* none(): AsyncGenerator<Uint8Array> {}

/** All of a file that is small. @throws ServingError SERVING_STORE_UNAVAILABLE where it is larger than `maxBytes` */
export async function wholeOf({ body }: RemoteContent, what: string, maxBytes: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of body) {
    size += part.length;
    if (size > maxBytes) throw unavailable(`${what} is larger than ${maxBytes} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}
