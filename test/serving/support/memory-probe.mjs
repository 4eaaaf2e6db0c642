// `node --expose-gc --import memory-probe.mjs`, with MEMORY_PROBE naming a folder: what the process holds after a garbage collection,
// every 5 seconds, a line each in <folder>/<pid>.jsonl. What is kept for each request shows here; garbage that nobody has yet had
// reason to collect does not.
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';

const everyMs = 5_000;
const mebibyte = 1024 * 1024;

setInterval(() => {
  globalThis.gc();
  const { rss, heapUsed, external } = process.memoryUsage();
  const seen = {
    residentMiB: rss / mebibyte,
    heapMiB: heapUsed / mebibyte,
    externalMiB: external / mebibyte,
  };
  appendFileSync(join(process.env.MEMORY_PROBE, `${process.pid}.jsonl`), `${JSON.stringify(seen)}\n`);
}, everyMs).unref();
