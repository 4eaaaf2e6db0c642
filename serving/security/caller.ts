import { isIP } from 'node:net';

/** What can be asked of a model. `read` (metadata, status, statistics) is implied by any other. */
export type Permission = 'read' | 'predict' | 'feedback' | 'control';

/** How often a caller may ask. */
export interface Limits {
  readonly requestsPerSecond?: number | undefined;
  readonly requestsPerDay?: number | undefined;
}

/** Who sends a request. */
export interface Caller {
  /** For logs and audit: the id of a key, never the key. */
  readonly id: string;
  /** Undefined where there are none. */
  readonly limits: Limits | undefined;
  may(permission: Permission, model: string): boolean;
}

/** This machine's user, where no authentication is configured (contract 7). */
export const localCaller: Caller = { id: 'local', limits: undefined, may: () => true };

/** Where a connection comes from. */
interface Place {
  readonly remoteAddress?: string | undefined;
}

/** Whose part of what all callers share a request takes: that of who sends it, or where anybody may ask of where it comes from. */
export const holderOf = (caller: Caller, { remoteAddress }: Place): string =>
  caller === localCaller ? networkOf(remoteAddress) : caller.id;

/** A network of IPv6 (RFC 6177) is one place: who has one has all of its addresses. */
export function networkOf(address: string | undefined): string {
  if (address === undefined || isIP(address) !== 6) return address ?? '';
  const inIpv4 = /^::ffff:([\d.]+)$/i.exec(address)?.[1];
  if (inIpv4 !== undefined) return inIpv4;
  const [left = '', right] = address.replace(/%.*/, '').split('::');
  const first = left === '' ? [] : left.split(':');
  const last = right === undefined || right === '' ? [] : right.split(':');
  const zeros = Array.from({ length: right === undefined ? 0 : 8 - first.length - last.length }, () => '0');
  return `${[...first, ...zeros, ...last].slice(0, 4).join(':')}::/64`;
}

/** A caller with scopes `<permission>:<model>` (contract/keys.ts). */
export class ScopedCaller implements Caller {
  readonly id: string;
  readonly limits: Limits | undefined;
  readonly #scopes: readonly (readonly [permission: string, model: string])[];

  constructor(id: string, scopes: readonly string[], limits: Limits) {
    this.id = id;
    this.limits =
      limits.requestsPerSecond === undefined && limits.requestsPerDay === undefined ? undefined : limits;
    this.#scopes = scopes.map((scope) => {
      const [permission = '', model = ''] = scope.split(':');
      return [permission, model] as const;
    });
  }

  may(permission: Permission, model: string): boolean {
    return this.#scopes.some(
      ([allowed, of]) =>
        (of === '*' || of === model) && (allowed === '*' || allowed === permission || permission === 'read'),
    );
  }
}
