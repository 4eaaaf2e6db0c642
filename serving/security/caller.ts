/** What can be asked of a model. `read` (metadata, status, statistics) is implied by any other. */
export const permissions = ['read', 'predict', 'feedback', 'control'] as const;
export type Permission = (typeof permissions)[number];

/** Who sends a request. */
export interface Caller {
  /** For logs and audit: the id of a key, never the key. */
  readonly id: string;
  may(permission: Permission, model: string): boolean;
}

/** This machine's user, where no authentication is configured (contract 7). */
export const localCaller: Caller = { id: 'local', may: () => true };
