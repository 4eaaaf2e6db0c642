import type { Method } from './method.ts';

/** Every method by its name in the settings and the manifest. */
export const methods = {
  none: {
    exact: true,
    summary: 'freeze: parameters and structure in one self-contained file, training-only parts gone',
    apply: async (model) => model,
  },
} as const satisfies Record<string, Method>;
