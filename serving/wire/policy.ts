import { POLICY_NULL, POLICY_REJECT, POLICY_TOKEN } from './assembly/status.ts';

/**
 * What JSON does with NaN, Infinity and -Infinity, which it cannot hold: `token` takes and gives the bare words as TensorFlow
 * Serving does, `null` takes and gives null (read as NaN), `reject` refuses them in both directions.
 */
export const nonFinitePolicies = { token: POLICY_TOKEN, null: POLICY_NULL, reject: POLICY_REJECT } as const;
export type NonFinitePolicy = keyof typeof nonFinitePolicies;
