export const pinnedVersion: string;
export interface FoundPulumi {
  readonly folder: string;
  readonly version: string;
}
export class ToolchainError extends Error {
  readonly code: 'TOOLCHAIN_NO_PULUMI';
}
export function cacheKey(): string;
export function cached(env?: NodeJS.ProcessEnv): FoundPulumi | undefined;
export function findOnPath(env?: NodeJS.ProcessEnv): Promise<FoundPulumi | undefined>;
export function ensurePulumi(report: (line: string) => void, env?: NodeJS.ProcessEnv): Promise<FoundPulumi>;
