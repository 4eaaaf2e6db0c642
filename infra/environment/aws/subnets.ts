import { InfraError } from '../../errors.ts';

/** Address plan of a VPC over three zones. */
export interface AddressPlan {
  /** For nodes and pods: a quarter of the VPC each. */
  readonly private: readonly [string, string, string];
  /** For load balancers and NAT gateways. */
  readonly public: readonly [string, string, string];
}

/** First and last address, as numbers. */
export interface AddressRange {
  readonly from: number;
  readonly to: number;
}

const toNumber = (address: string) => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
const toAddress = (value: number) =>
  [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');

/** `10.20.0.0/16` as its first and last address. */
export function rangeOf(cidr: string): AddressRange {
  const [address, bits] = cidr.split('/') as [string, string];
  const from = toNumber(address);
  return { from, to: from + 2 ** (32 - Number(bits)) - 1 };
}

/**
 * The next network of the size of `like` that overlaps with none of `taken`, in 10.0.0.0/8; undefined where there is none left.
 * Networks that do not overlap can be peered, and share a VPN.
 */
export function freeNetwork(like: string, taken: readonly string[]): string | undefined {
  const bits = Number(like.split('/')[1]);
  const size = 2 ** (32 - bits);
  const all = rangeOf('10.0.0.0/8');
  const used = taken.map(rangeOf);
  const start = Math.max(rangeOf(like).from, all.from) - all.from;
  const count = (all.to - all.from + 1) / size;
  for (let i = 1; i <= count; i++) {
    const from = all.from + ((start + i * size) % (all.to - all.from + 1));
    if (used.every((one) => from + size - 1 < one.from || from > one.to)) return `${toAddress(from)}/${bits}`;
  }
  return undefined;
}

/**
 * Splits a VPC's range: three private quarters, and in the last quarter three public 256ths.
 * `10.0.0.0/16` gives 16,384 addresses a zone for nodes and pods.
 * @throws InfraError SETTING_INVALID where the range is no IPv4 network of /16 to /20 on its own boundary
 */
export function addressPlan(cidr: string): AddressPlan {
  const match = /^(\d{1,3}(?:\.\d{1,3}){3})\/(\d{1,2})$/.exec(cidr);
  const bits = Number(match?.[2]);
  const parts = match?.[1]?.split('.').map(Number) ?? [];
  const base = match ? toNumber(match[1]!) : Number.NaN;
  const size = 2 ** (32 - bits);
  if (!match || parts.some((part) => part > 255) || bits < 16 || bits > 20 || base % size !== 0) {
    throw new InfraError(
      'SETTING_INVALID',
      `vpcCidr: '${cidr}' is no network of /16 to /20 on its own boundary; write for example 10.20.0.0/16.`,
    );
  }
  const at = (offset: number, prefix: number) => `${toAddress(base + offset)}/${prefix}`;
  const quarter = size / 4;
  const slice = size / 256;
  return {
    private: [at(0, bits + 2), at(quarter, bits + 2), at(2 * quarter, bits + 2)],
    public: [
      at(3 * quarter, bits + 8),
      at(3 * quarter + slice, bits + 8),
      at(3 * quarter + 2 * slice, bits + 8),
    ],
  };
}
