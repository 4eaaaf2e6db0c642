/** What a client may call its own requests; anything else is not taken into logs. */
const pattern = /^[\w.:/-]{1,128}$/;

/** The client's own name of a request (`x-request-id`), where it can be used. */
export function requestIdOf(given: unknown): string | undefined {
  const text = Buffer.isBuffer(given) ? given.toString('latin1') : given;
  return typeof text === 'string' && pattern.test(text) ? text : undefined;
}
