export function findDocker(): Promise<string>;
