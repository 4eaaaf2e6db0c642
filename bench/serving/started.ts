import type { ModelName } from './models.ts';
import { untilIdle } from './process-cpu.ts';
import { type Running, type Server, type ServerName, servers } from './servers.ts';

/** A server with so many workers, asked over so many connections in turn: with fewer for each worker, fewer requests share its turns. */
export interface Contender {
  readonly name: ServerName;
  readonly workers: number;
  readonly connections: readonly number[];
}

export interface Place {
  readonly modelRoot: string;
  readonly modelPath: string;
  readonly model: ModelName;
}

export interface Started extends Contender {
  readonly running: Running;
}

/** Starts those that are installed, and waits until they rest; who does not start is told of. */
export async function start(
  contenders: readonly Contender[],
  place: Place,
): Promise<{ readonly started: readonly Started[]; readonly absent: readonly ServerName[] }> {
  const started: Started[] = [];
  const absent: ServerName[] = [];
  for (const contender of contenders) {
    const { name, workers } = contender;
    const running = await (servers[name] as Server).start({ ...place, workers }).catch((error: Error) => {
      process.stderr.write(`${place.model}  ${servers[name].label}: ${error.message}\n`);
      return undefined;
    });
    if (running) started.push({ ...contender, running });
    else absent.push(name);
  }
  for (const { running } of started) await untilIdle(running.pid);
  return { started, absent };
}
