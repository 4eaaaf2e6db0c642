import * as provider from '@pulumi/pulumi/provider/index.js';
import { convertedModel } from './converted-model.ts';
import { localServer } from './local-server.ts';
import type { Props, ResourceKind } from './resource-kind.ts';

/** Every resource of the provider, by type token. */
const kinds: Readonly<Record<string, ResourceKind>> = {
  'modelmile:index:ConvertedModel': convertedModel,
  'modelmile:index:LocalServer': localServer,
};

function kindOf(urn: string): ResourceKind {
  const type = (urn.split('::')[2] as string).split('$').at(-1) as string;
  const kind = kinds[type];
  if (kind === undefined) throw new Error(`this provider has no resource ${type}`);
  return kind;
}

/** A refusal reaches the user as its sentence; Pulumi prints an error's stack where it has one. */
async function withoutStack<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Error && 'code' in error) error.stack = error.message;
    throw error;
  }
}

const changed = (olds: Props, news: Props): string[] =>
  Object.keys({ ...olds, ...news }).filter((key) => canonical(olds[key]) !== canonical(news[key]));

/** Equal values as equal text, whatever the order of their keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

/** Outputs that are not inputs: a difference there is no change that the user asked for. */
const outputsOnly = new Set(['endpoint', 'console', 'metrics', '__provider', 'id', 'urn']);

const modelmile: provider.Provider = {
  version: '0.1.0',
  async check(urn, olds, news) {
    const { inputs, failures } = await withoutStack(kindOf(urn).check(olds, news));
    return { inputs: { ...inputs }, failures: [...failures] };
  },
  async diff(_id, urn, olds, news) {
    const keys = changed(olds, news).filter((key) => !outputsOnly.has(key));
    const replaces = keys.filter((key) => kindOf(urn).replaceOn.includes(key));
    return { changes: keys.length > 0, replaces, deleteBeforeReplace: true };
  },
  create: (urn, inputs) => withoutStack(kindOf(urn).create(inputs)),
  update: async (_id, urn, olds, news) => ({ outs: await withoutStack(kindOf(urn).update(olds, news)) }),
  async read(id, urn, props) {
    const found = await withoutStack(kindOf(urn).read(id, props ?? {}));
    return found === undefined ? {} : { id, props: found };
  },
  delete: (id, urn, props) => withoutStack(kindOf(urn).delete(id, props)),
};

await provider.main(modelmile, process.argv.slice(2));
