import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import { InfraError } from '../errors.ts';
import { filesBelow } from './content.ts';

/** A converted model, as the conversion stage hands it over. */
export interface ModelVersion {
  readonly name: string;
  readonly version: pulumi.Input<number>;
  /** Manifest digest. */
  readonly digest: pulumi.Input<string>;
  /** Version folder on the machine that runs `up`, absolute. */
  readonly folder: pulumi.Input<string>;
}

/** Where pods find the model repository (contract 1). */
export type ModelSource =
  /** Small models travel as ConfigMaps: no store, no registry, any cluster. */
  | { readonly kind: 'config-map' }
  /** A store that the server reads itself: `s3://bucket/prefix` or `https://...`. */
  | { readonly kind: 'remote'; readonly root: pulumi.Input<string> }
  /** A volume that is there and holds the repository. */
  | { readonly kind: 'volume'; readonly claimName: string };

/** What the pod template takes from it. */
export interface MountedModels {
  /** ServingSettings.modelRoot. */
  readonly root: pulumi.Input<string>;
  readonly volumes: k8s.types.input.core.v1.Volume[];
  readonly mounts: k8s.types.input.core.v1.VolumeMount[];
}

/** The API server takes about a mebibyte an object; binaryData is counted decoded. */
export const configMapBytes = 1024 * 1024 - 4096;
const mountRoot = '/models';

/**
 * The files of a version folder, base64, as a ConfigMap takes them.
 * @throws InfraError MODEL_MISSING, or SETTING_INVALID where they are too large for one
 */
export function configMapData(model: string, folder: string): Record<string, string> {
  const files = filesBelow(folder).map((file) => ({ key: basename(file), bytes: readFileSync(file) }));
  if (!files.some(({ key }) => key === 'manifest.json')) {
    throw new InfraError('MODEL_MISSING', `${model}: ${folder} holds no converted model.`);
  }
  const total = files.reduce((sum, { bytes }) => sum + bytes.length, 0);
  if (total > configMapBytes) {
    throw new InfraError(
      'SETTING_INVALID',
      `modelStore: ${model} has ${total} bytes, a ConfigMap takes ${configMapBytes}; set modelStore to s3://..., https://... or volume:<claim>.`,
    );
  }
  return Object.fromEntries(files.map(({ key, bytes }) => [key, bytes.toString('base64')]));
}

/** Gives pods the models. ConfigMaps are named by digest, so that a rollout that stops half-way leaves each pod with its own model. */
export function mountModels(
  name: string,
  source: ModelSource,
  versions: readonly ModelVersion[],
  namespace: pulumi.Input<string>,
  opts: pulumi.ResourceOptions,
): MountedModels {
  if (source.kind === 'remote') return { root: source.root, volumes: [], mounts: [] };
  if (source.kind === 'volume') {
    return {
      root: mountRoot,
      volumes: [{ name: 'models', persistentVolumeClaim: { claimName: source.claimName, readOnly: true } }],
      mounts: [{ name: 'models', mountPath: mountRoot, readOnly: true }],
    };
  }
  const placed = versions.map((model, i) => {
    const slug = model.name.toLowerCase().replace(/[^a-z0-9-]+/g, '-');
    const map = new k8s.core.v1.ConfigMap(
      `${name}-model-${model.name}`,
      {
        metadata: {
          name: pulumi.output(model.digest).apply((digest) => `model-${slug}-${digest.slice(0, 12)}`),
          namespace,
        },
        immutable: true,
        binaryData: pulumi.output(model.folder).apply((folder) => configMapData(model.name, folder)),
      },
      opts,
    );
    return {
      volume: { name: `model-${i}`, configMap: { name: map.metadata.name } },
      mount: {
        name: `model-${i}`,
        mountPath: pulumi.interpolate`${mountRoot}/${model.name}/${model.version}`,
        readOnly: true,
      },
    };
  });
  return {
    root: mountRoot,
    volumes: placed.map((one) => one.volume),
    mounts: placed.map((one) => one.mount),
  };
}
