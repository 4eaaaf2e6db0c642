/** Waits until something is so. @throws Error after `timeoutMs` */
export async function until(isSo: () => Promise<boolean> | boolean, timeoutMs = 30_000): Promise<void> {
  const endMs = Date.now() + timeoutMs;
  while (!(await isSo())) {
    if (Date.now() > endMs) throw new Error('it did not come to be in time');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
