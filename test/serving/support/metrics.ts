import type { TestServer } from './server.ts';

/** Sum of a metric's samples under the given labels; 0 where there are none. */
export async function metricOf(
  server: TestServer,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${server.state.management.port}/metrics`)).text();
  let sum = 0;
  for (const line of text.split('\n')) {
    const found = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (found?.[1] !== name) continue;
    const has = Object.entries(labels).every(([label, value]) => found[2]?.includes(`${label}="${value}"`));
    if (has) sum += Number(found[3]);
  }
  return sum;
}
