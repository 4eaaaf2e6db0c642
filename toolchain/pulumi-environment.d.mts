export const checkout: string;
export function cacheFolder(env?: NodeJS.ProcessEnv): string;
export function homeFolder(env?: NodeJS.ProcessEnv): string;
export function backendUrl(folder: string): string;
export function backendFolder(url: string | undefined): string | undefined;
export function stackOf(args: readonly string[], env?: NodeJS.ProcessEnv): string;
export function pulumiEnvironment(
  stack: string,
  binFolder: string,
  env?: NodeJS.ProcessEnv,
): Record<string, string>;
