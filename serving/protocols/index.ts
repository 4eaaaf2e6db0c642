import { openInferenceRest } from './open-inference-rest/index.ts';
import type { RestProtocol } from './protocol.ts';
import { tensorflowRest } from './tensorflow-rest/index.ts';

/** Every protocol over HTTP, in the order in which they are asked whether a path is theirs. */
export const restProtocols = {
  'tensorflow-rest': tensorflowRest,
  'open-inference-rest': openInferenceRest,
} as const satisfies Record<string, RestProtocol>;
