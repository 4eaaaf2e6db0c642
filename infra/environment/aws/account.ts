import { partitionOf } from './iam.ts';

/** Which account and region everything is in. Given, not looked up: a preview needs no credentials, and the wrong account is refused. */
export interface Account {
  readonly accountId: string;
  readonly region: string;
  readonly partition: string;
  /** Three zones, fixed by name: a list that AWS reorders would move subnets. */
  readonly zones: readonly [string, string, string];
}

export function account(accountId: string, region: string, zones?: readonly string[]): Account {
  const [a, b, c] = zones ?? ['a', 'b', 'c'].map((letter) => `${region}${letter}`);
  return { accountId, region, partition: partitionOf(region), zones: [a!, b!, c!] };
}
