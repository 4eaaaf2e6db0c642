import type { RestProtocol } from './protocol.ts';
import { tensorflowRest } from './tensorflow-rest/index.ts';

/** Every protocol over HTTP, in the order in which they are asked whether a path is theirs. */
export const restProtocols = {
  'tensorflow-rest': tensorflowRest,
} as const satisfies Record<string, RestProtocol>;
