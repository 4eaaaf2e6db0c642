import type { RemovedVersion } from '../canary/calls.ts';
import type { ServerState } from '../contract/index.ts';
import type { LoadedVersions, LoadFailure } from './messages.ts';

type ModelState = ServerState['models'][number];

/** What each version does: those that are loaded, those that were taken out, and those that did not load. */
export function modelStates(
  loaded: readonly LoadedVersions[],
  removed: readonly RemovedVersion[],
  failures: readonly LoadFailure[],
): ModelState[] {
  const states = new Map<string, ModelState['versions']>();
  for (const { name, versions } of loaded) {
    const stateOf = ({ version, digest }: LoadedVersions['versions'][number]) => {
      const out = removed.find((each) => each.model === name && each.version === version);
      return {
        version,
        digest,
        state: out ? ('END' as const) : ('AVAILABLE' as const),
        message: out?.message ?? '',
      };
    };
    states.set(name, versions.map(stateOf));
  }
  for (const { model, version, message } of failures) {
    const versions = states.get(model) ?? [];
    states.set(model, versions);
    if (versions.some((known) => known.version === version)) continue;
    versions.push({ version, digest: '', state: 'END', message });
  }
  return [...states].map(([name, versions]) => ({ name, versions }));
}
