import { dynamicInt8 } from './dynamic-int8.ts';
import { float16 } from './float16.ts';
import type { Method } from './method.ts';
import { staticInt8 } from './static-int8.ts';

/** Every method by its name in the settings and the manifest. */
export const methods = {
  none: {
    exact: true,
    summary: 'freeze: one self-contained file, constants folded, training-only parts gone; float32',
    apply: async (model) => model,
  },
  'dynamic-int8': {
    exact: false,
    summary: 'a quarter of the size and several times faster, for dense networks; no calibration',
    apply: async (model) => dynamicInt8(model),
  },
  'static-int8': {
    exact: false,
    learns: true,
    summary: 'a quarter of the size and faster, for convolutions too; wants --calibration rows',
    apply: staticInt8,
  },
  float16: {
    exact: false,
    summary: 'weights of half the size, computed with in float32; the same speed',
    apply: async (model) => float16(model),
  },
} as const satisfies Record<string, Method>;
