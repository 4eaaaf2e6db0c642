import { readFileSync } from 'node:fs';
import { Ajv, type ValidateFunction } from 'ajv';
import type { Recorded } from './recorder.ts';

type Json = Record<string, unknown>;
/** Patterns are Go's: `(?i)`, which JavaScript has not, stands in front of words that we write in lower case. */
const load = (name: string) =>
  JSON.parse(
    readFileSync(new URL(`./fixtures/schemas/${name}`, import.meta.url), 'utf8').replaceAll('(?i)', ''),
  );

const kubernetes = load('kubernetes.json') as { roots: Record<string, string>; definitions: Json };
/** `group/version/Kind` -> its custom resource definition's schema. */
export const crds = load('crds.json') as Record<string, { scope: string; plural: string; schema: Json }>;
const nodeClass = load('nodeclass.json') as { schema: Json };

/** OpenAPI 2's two types that JSON Schema has no word for. */
const definitions: Json = {
  ...kubernetes.definitions,
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': { type: ['string', 'integer'] },
  'io.k8s.apimachinery.pkg.api.resource.Quantity': {
    type: 'string',
    pattern: '^\\d+(\\.\\d+)?(m|k|K|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$',
  },
};
/** Unknown fields are errors, as the API server's strict validation has it. */
function strict(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(strict);
  if (schema === null || typeof schema !== 'object') return schema;
  const out = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, strict(value)]));
  const open = 'additionalProperties' in out || out['x-kubernetes-preserve-unknown-fields'];
  return typeof out['properties'] === 'object' && 'type' in out && !open
    ? { ...out, additionalProperties: false }
    : out;
}
const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
ajv.addSchema({ $id: 'kubernetes', definitions: strict(definitions) as Json });
const compiled = new Map<string, ValidateFunction | undefined>();

function schemaOf(apiVersion: string, kind: string): ValidateFunction | undefined {
  const key = `${apiVersion}/${kind}`;
  if (!compiled.has(key)) {
    const root = kubernetes.roots[key];
    const custom = key === 'eks.amazonaws.com/v1/NodeClass' ? nodeClass : crds[key];
    const schema = root ? { $ref: `kubernetes#/definitions/${root}` } : custom?.schema;
    compiled.set(key, schema && ajv.compile(strict(schema) as Json));
  }
  return compiled.get(key);
}

/** Where a manifest does not fit the schema of its kind; a kind without a schema is a fault too. */
export function schemaFaults(manifest: Json): string[] {
  const { apiVersion, kind } = manifest as { apiVersion: string; kind: string };
  const validate = schemaOf(apiVersion, kind);
  if (!validate) return [`${apiVersion} ${kind}: there is no schema for it in test/infra/fixtures/schemas`];
  if (validate(manifest)) return [];
  return (validate.errors ?? []).map(
    (e) => `${kind}${e.instancePath}: ${e.message} ${JSON.stringify(e.params)}`,
  );
}

/** Manifests among recorded resources, as the API server would get them. */
export function manifestsOf(all: readonly Recorded[]): { name: string; manifest: Json }[] {
  return all
    .filter(({ type }) => type.startsWith('kubernetes:'))
    .map(({ type, name, inputs }) => {
      const [, api = '', kind = ''] = type.split(':');
      const apiVersion = api.replace(/^core\//, '');
      return { name, manifest: { apiVersion, kind, ...JSON.parse(JSON.stringify(inputs)) } };
    });
}
