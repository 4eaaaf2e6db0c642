export const programs: readonly string[];
export function clusterFolder(env?: NodeJS.ProcessEnv): string;
