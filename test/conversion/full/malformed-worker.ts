/** Converts, or inspects, what it is told to and says how that ended: a process of its own, which may die of it. */
import { join } from 'node:path';
import { ConversionError, convert, inspect, writeVersion } from '../../../conversion/index.ts';

/** Works in its own folder: whatever is written beside `out` is written where it must not be. */
process.on('message', async ({ path, number }: { path: string; number: number }) => {
  const startedMs = performance.now();
  let ended: string;
  try {
    if (path.endsWith('.tflite')) await inspect(path);
    else {
      if (number % 4 === 0) await inspect(path);
      await writeVersion(await convert(path), join(process.cwd(), 'out', String(number)));
    }
    ended = 'converted';
  } catch (error) {
    ended =
      error instanceof ConversionError ? error.code : `fault: ${(error as Error)?.stack ?? String(error)}`;
  }
  process.send?.({
    ended,
    ms: performance.now() - startedMs,
    // KiB: the most that it ever had.
    peakMiB: process.resourceUsage().maxRSS / 1024,
  });
});
// What is timed begins when everything is loaded.
process.send?.('ready');
