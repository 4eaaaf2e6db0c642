import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { LoadOrder, LoadReport } from './load-generator.ts';
import { keepOn } from './process-cpu.ts';

const generator = fileURLToPath(new URL('./load-generator.ts', import.meta.url));

/** V8 collects on its own thread alone, and seldom: its others would take the server's core, and each pause is a wait of the server's. */
const collectorFlags = [
  '--single-threaded-gc',
  '--min-semi-space-size=32',
  '--max-semi-space-size=32',
  '--no-allocation-site-pretenuring',
];

/** Runs the load in a process of its own, on these cores alone where they are named. */
export function measure(order: LoadOrder, cores?: string): Promise<LoadReport> {
  return new Promise((resolve, reject) => {
    const child = fork(generator, [], { execArgv: ['--import', 'tsx', ...collectorFlags] });
    child.on('message', (message: { report: LoadReport }) => resolve(message.report));
    child.on('exit', (code) => reject(new Error(`the load generator ended with ${code}`)));
    if (cores !== undefined) keepOn(cores, child.pid as number);
    child.send(order);
  });
}

/** A whole HTTP/1.1 request as the generator sends it. */
export function requestBytes(
  path: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): string {
  const lines = Object.entries({ host: 'localhost', 'content-length': String(body.length), ...headers });
  const head = `POST ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
  return Buffer.concat([Buffer.from(head), body]).toString('base64');
}
