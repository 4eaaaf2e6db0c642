export function fileAccessRefusal(error: unknown): string | undefined;
