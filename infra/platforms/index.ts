import type { Platform } from './platform.ts';

/** Every platform, loaded only when its stack asks for it: a dev preview never loads @pulumi/aws. */
export const platforms = {
  local: async () => (await import('./local.ts')).local as Platform,
  kubernetes: async () => (await import('./kubernetes.ts')).kubernetes as Platform,
  aws: async () => (await import('./aws.ts')).amazon as Platform,
} as const satisfies Record<string, () => Promise<Platform>>;
