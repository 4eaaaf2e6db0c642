import type { Settings } from '../settings.ts';

/**
 * training: the trained models that the stack names. In dev a champion that `modelmile retrain` promoted stands in for its source;
 * that is decided where the source is read (provider/), for a preview must show it.
 */
export function trainedModels(settings: Settings): Settings['models'] {
  return settings.models;
}
