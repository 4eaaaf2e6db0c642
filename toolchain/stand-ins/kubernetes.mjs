import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { Cluster } from './cluster.mjs';
import { isUnknown } from './values.mjs';

/** `kubernetes:apps/v1:Deployment` with its inputs as the object that the API server gets. */
function objectOf({ type, inputs }) {
  const [, group, kind] = type.split(':');
  const { apiVersion = group.replace(/^core\//, ''), ...rest } = inputs;
  const object = { apiVersion, kind, ...rest };
  if (typeof object.metadata?.name !== 'string')
    throw new Error(`${type}: the stand-in makes no names up; give metadata.name`);
  return object;
}

/** Values that nobody knows before `up`, named by their place. */
function named(value, path, unknown) {
  if (isUnknown(value)) {
    unknown.push(path);
    return `known-after-up:${path}`;
  }
  if (Array.isArray(value)) return value.map((one, i) => named(one, `${path}.${i}`, unknown));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, named(value[key], path === '' ? key : `${path}.${key}`, unknown)]),
  );
}

/** One file an object, in a folder for each namespace: the same objects give the same bytes. */
function render(folder, resource) {
  const unknown = [];
  const { apiVersion, kind, metadata, ...rest } = named(objectOf(resource), '', unknown);
  const file = join(
    String(metadata.namespace ?? 'cluster').replace(/[^a-z0-9.-]/gi, '-'),
    `${kind}-${metadata.name}.yaml`.toLowerCase().replace(/[^a-z0-9.-]/g, '-'),
  );
  const path = join(folder, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(
    path,
    stringify({ apiVersion, kind, metadata, ...rest }, { lineWidth: 0, aliasDuplicateObjects: false }),
  );
  for (const place of unknown) process.stderr.write(`render: ${file}: ${place} is known after \`up\`\n`);
}

/**
 * Kubernetes objects: in a preview nothing, for GitOps as files, else by server-side apply to the API server of the kubeconfig. It does
 * not wait until pods are ready.
 */
export function standIn(mode) {
  let cluster;
  const connected = () => {
    cluster ??= new Cluster();
    return cluster;
  };
  const apply = async (resource) => {
    const live = await connected().apply(objectOf(resource));
    const { managedFields: _, ...metadata } = live.metadata;
    return {
      id: [metadata.namespace, metadata.name].filter(Boolean).join('/'),
      outputs: { ...live, metadata },
    };
  };
  return {
    does: {
      preview: 'it validates nothing',
      render: 'it writes manifests',
      apply: 'it applies to the cluster of the kubeconfig, and does not wait until pods are ready',
    }[mode],
    configure({ kubeconfig, context }) {
      if (mode === 'apply') cluster = new Cluster({ kubeconfig, context });
    },
    preview(resource) {
      if (mode === 'render') render(process.env.MODELMILE_RENDER_DIR, resource);
      return {};
    },
    create: apply,
    update: apply,
    exists: (resource) => connected().exists(objectOf(resource)),
    delete: (resource) => connected().delete(objectOf(resource)),
  };
}
