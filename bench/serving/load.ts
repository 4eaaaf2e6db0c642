import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { LoadOrder, LoadReport } from './load-generator.ts';
import { cpuSeconds } from './process-cpu.ts';

/** One measurement of one server. */
export interface Measurement extends LoadReport {
  /** CPU seconds of the server's whole process tree during the measured time. */
  readonly serverCpuSeconds: number;
}

const generator = fileURLToPath(new URL('./load-generator.ts', import.meta.url));

/** Runs the load in a process of its own, and counts what the server used in just the measured time. */
export function measure(serverPid: number, order: LoadOrder): Promise<Measurement> {
  return new Promise((resolve, reject) => {
    const child = fork(generator, [], { execArgv: ['--import', 'tsx'] });
    let before = 0;
    let used = 0;
    child.on('message', (message: { measuring?: true; measured?: true; report?: LoadReport }) => {
      if (message.measuring) before = cpuSeconds(serverPid);
      if (message.measured) used = cpuSeconds(serverPid) - before;
      if (message.report) resolve({ ...message.report, serverCpuSeconds: used });
    });
    child.on('exit', (code) => reject(new Error(`the load generator ended with ${code}`)));
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
