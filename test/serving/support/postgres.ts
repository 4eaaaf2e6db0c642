import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until } from '../../support/load.ts';
import { freePort } from './redis.ts';

const run = promisify(execFile);

/** Debian keeps the server's programs out of PATH. */
async function findPrograms(): Promise<string | undefined> {
  if (spawnSync('initdb', ['--version']).status === 0) return '';
  const versions = await readdir('/usr/lib/postgresql').catch(() => [] as string[]);
  return versions.map((version) => `/usr/lib/postgresql/${version}/bin/`).at(-1);
}

/** The server refuses to be root. */
function otherUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const found = (name: string) => Number(spawnSync('id', [name, 'postgres']).stdout?.toString());
  const [uid, gid] = [found('-u'), found('-g')];
  return uid > 0 ? { uid, gid } : undefined;
}

const programs = await findPrograms();
const user = otherUser();

/** Tests with a Postgres server count as skipped where there is none, or only root to run it. */
export const hasPostgres = programs !== undefined && (process.getuid?.() !== 0 || user !== undefined);

export interface PostgresServer {
  readonly port: number;
  /** Folder with the files `username` and `password`. */
  readonly credentialsDir: string;
  stop(): Promise<void>;
}

/** A server with an empty database `modelmile`, on loopback. */
export async function startPostgres(): Promise<PostgresServer> {
  const folder = await mkdtemp(join(tmpdir(), 'modelmile-postgres-'));
  const data = join(folder, 'data');
  await writeFile(join(folder, 'username'), 'modelmile\n');
  await writeFile(join(folder, 'password'), 'a password\n');
  for (const file of ['', 'username', 'password']) {
    if (user !== undefined) await chown(join(folder, file), user.uid, user.gid);
  }
  const as = { ...user, cwd: folder };
  const password = join(folder, 'password');
  const initdb = ['-D', data, '-U', 'modelmile', '--auth=scram-sha-256', `--pwfile=${password}`, '--no-sync'];
  await run(`${programs}initdb`, initdb, as);
  const port = await freePort();
  const options = ['-D', data, '-p', String(port), '-c', 'listen_addresses=127.0.0.1', '-c', 'fsync=off'];
  const child = spawn(`${programs}postgres`, [...options, '-k', folder], { ...as, stdio: 'ignore' });
  const env = { ...process.env, PGPASSWORD: 'a password' };
  const psql = (sql: string) =>
    run(
      `${programs}psql`,
      ['-h', '127.0.0.1', '-p', String(port), '-U', 'modelmile', 'postgres', '-c', sql],
      {
        env,
      },
    );
  await until(
    () =>
      psql('CREATE DATABASE modelmile').then(
        () => true,
        () => false,
      ),
    'the database is there',
  );
  return {
    port,
    credentialsDir: folder,
    async stop() {
      child.kill('SIGQUIT');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      await rm(folder, { recursive: true, force: true });
    },
  };
}
