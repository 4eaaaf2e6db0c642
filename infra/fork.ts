import { type Document, isMap, isSeq, type Node, parseDocument } from 'yaml';
import { freeNetwork } from './environment/aws/subnets.ts';
import { InfraError } from './errors.ts';
import { awsSettings } from './platforms/aws-settings.ts';
import { clusterSettings } from './platforms/cluster-settings.ts';

/** One difference between a stack's file and its fork's. */
export interface ForkChange {
  readonly key: string;
  readonly from: unknown;
  /** undefined: dropped. */
  readonly to: unknown;
  readonly why: string;
}

export interface Fork {
  /** Text of the new Pulumi.<stack>.yaml, comments kept. */
  readonly text: string;
  readonly changes: readonly ForkChange[];
  /** Settings that are still the other stack's, and that two stacks rarely share. */
  readonly check: readonly string[];
}

/** Pulumi's own keys beside `config`: they belong to the secrets of one stack. */
const secretKeys = ['encryptionsalt', 'secretsprovider', 'encryptedkey'];
const rarelyShared = [
  'accountId',
  'region',
  'clusterAdmins',
  'kubeContext',
  'imageRepository',
  'budget',
  'exposure',
];
const prefixed = (key: string) => `modelmile:${key}`;

/** Paths of values that only the passphrase of the other stack opens: `{secure: v1:...}`. */
function secretPaths(node: unknown, path: readonly (string | number)[] = []): (string | number)[][] {
  if (isMap(node)) {
    if (node.items.length === 1 && node.has('secure')) return [[...path]];
    return node.items.flatMap(({ key, value }) => secretPaths(value, [...path, String(key)]));
  }
  return isSeq(node) ? node.items.flatMap((item, i) => secretPaths(item as Node, [...path, i])) : [];
}

/** `models.staging.example.com` of stack staging is `models.eu.example.com` of stack eu. */
function hostnameOf(hostname: string, from: string, to: string): string {
  const labels = hostname.split('.');
  return labels.includes(from)
    ? labels.map((label) => (label === from ? to : label)).join('.')
    : `${to}.${hostname}`;
}

const vpcOf = (document: Document): string | undefined => {
  if (document.getIn(['config', prefixed('platform')]) !== 'aws') return undefined;
  const given = document.getIn(['config', prefixed('vpcCidr')]);
  return typeof given === 'string' ? given : awsSettings.vpcCidr.schema.parse(undefined);
};

/**
 * The file of a new stack that is like another one, and collides with none: addresses, namespace and host name of its own, no secrets.
 * Everything else that a stack makes is named by the stack.
 * @param others texts of every stack's file, `from`'s among them
 * @throws InfraError SETTING_INVALID where the stack cannot be forked or the name cannot be one
 */
export function forkStack(text: string, from: string, to: string, others: readonly string[]): Fork {
  const refuse = (why: string): never => {
    throw new InfraError('SETTING_INVALID', why);
  };
  if (!/^[a-z][a-z0-9-]{0,13}[a-z0-9]$/.test(to))
    refuse(
      `stack '${to}': a name is 2 to 15 lower-case letters, digits and dashes, for resources are named by it.`,
    );
  const document = parseDocument(text);
  const at = (key: string) => ['config', prefixed(key)];
  const platform = document.getIn(at('platform'));
  if (platform !== 'aws' && platform !== 'kubernetes')
    refuse(`stack '${from}': platform local is this checkout itself, so a second one is a second checkout.`);
  const changes: ForkChange[] = [];
  const set = (path: readonly (string | number)[], value: unknown, why: string) => {
    changes.push({ key: path.slice(1).join('.'), from: document.getIn(path), to: value, why });
    if (value === undefined) document.deleteIn(path);
    else document.setIn(path, value);
  };
  const unused = (path: readonly string[], value: string) => {
    if (others.some((other) => parseDocument(other).getIn(path) === value))
      refuse(`${path.slice(1).join('.')}: '${value}' is another stack's already.`);
  };
  for (const key of secretKeys.filter((one) => document.has(one))) {
    changes.push({ key, from: '(secret)', to: undefined, why: 'belongs to the secrets of the other stack' });
    document.delete(key);
  }
  // From the back: positions in a list must stay what they were.
  for (const path of secretPaths(document.get('config'), ['config']).reverse()) {
    changes.push({
      key: path.slice(1).join('.'),
      from: '(secret)',
      to: undefined,
      why: 'set it anew: pulumi config set --secret',
    });
    document.deleteIn(path);
  }
  const vpc = vpcOf(document);
  if (vpc !== undefined) {
    const taken = others.flatMap((other) => vpcOf(parseDocument(other)) ?? []);
    const free =
      freeNetwork(vpc, taken) ?? refuse(`vpcCidr: no network of the size of ${vpc} is left in 10.0.0.0/8.`);
    set(at('vpcCidr'), free, 'overlaps with no other stack, so that they can be peered');
  } else {
    const namespace =
      (document.getIn(at('namespace')) as string | undefined) ??
      clusterSettings.namespace.schema.parse(undefined);
    const base = namespace.endsWith(`-${from}`) ? namespace.slice(0, -from.length - 1) : namespace;
    unused(at('namespace'), `${base}-${to}`);
    set(at('namespace'), `${base}-${to}`, 'two stacks may share a cluster, never a namespace');
  }
  const hostname = document.getIn([...at('exposure'), 'hostname']);
  if (typeof hostname === 'string') {
    unused([...at('exposure'), 'hostname'], hostnameOf(hostname, from, to));
    set([...at('exposure'), 'hostname'], hostnameOf(hostname, from, to), 'one name leads to one stack');
  }
  document.commentBefore = ` Stack ${to}: forked from ${from}.`;
  return {
    text: document.toString({ lineWidth: 0 }),
    changes,
    check: rarelyShared.filter((key) => document.hasIn(at(key))),
  };
}
