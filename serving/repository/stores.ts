import { isAbsolute, join } from 'node:path';
import type { ServingSettings } from '../contract/index.ts';
import { ServingError } from '../errors.ts';
import { FolderStore } from './folder-store.ts';
import { HttpFiles } from './http-files.ts';
import { Mirror } from './mirror.ts';
import type { RemoteFiles } from './remote-files.ts';
import { S3Files } from './s3-files.ts';
import type { ModelStore } from './store.ts';

type StoreSettings = Pick<ServingSettings, 'modelRoot' | 'stateDir' | 'store' | 'trustedKeys'>;

/** How repositories elsewhere are read, by the scheme of their address. */
const remotes: Readonly<Record<string, (settings: StoreSettings) => RemoteFiles>> = {
  s3: ({ modelRoot, store }) => new S3Files(modelRoot, store),
  https: ({ modelRoot, store }) => new HttpFiles(modelRoot, store),
  http: (settings) => {
    assertWorthTrusting(settings);
    return new HttpFiles(settings.modelRoot, settings.store);
  },
};

/** Over plain HTTP anyone on the way could give another model. */
function assertWorthTrusting({ modelRoot, trustedKeys }: StoreSettings): void {
  const { hostname } = new URL(modelRoot);
  if (trustedKeys.length > 0 || ['127.0.0.1', 'localhost', '[::1]'].includes(hostname)) return;
  throw new ServingError(
    'SERVING_BAD_SETTINGS',
    `modelRoot ${modelRoot} is not encrypted: use https, or trustedKeys, so that a model that was changed on its way is noticed`,
  );
}

/** @throws ServingError SERVING_BAD_SETTINGS where modelRoot is no repository that can be read */
export function openStore(settings: StoreSettings): ModelStore {
  const { modelRoot, stateDir, trustedKeys } = settings;
  if (isAbsolute(modelRoot)) return new FolderStore(modelRoot);
  const scheme = /^(\w+):\/\//.exec(modelRoot)?.[1] ?? '';
  const remote = Object.hasOwn(remotes, scheme) ? remotes[scheme] : undefined;
  if (remote !== undefined) return new Mirror(remote(settings), join(stateDir, 'store'), trustedKeys);
  throw new ServingError(
    'SERVING_BAD_SETTINGS',
    `modelRoot is '${modelRoot}': it must be an absolute folder, s3://bucket/prefix, or https://host/path`,
  );
}
