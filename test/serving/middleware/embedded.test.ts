import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { constants, getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Database } from '../../../serving/middleware/database/database.ts';
import { openEmbeddedDatabase } from '../../../serving/middleware/database/embedded.ts';
import { until } from '../../support/load.ts';

describe('the embedded database', () => {
  let folder: string;
  let database: Database;
  const rows = async (of: Database) => (await of.query('SELECT n FROM kept ORDER BY n')).map(({ n }) => n);
  /** The processes of this folder. */
  const pids = () =>
    execFileSync('pgrep', ['-f', `embedded-process.*${folder}`], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .map(Number);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'modelmile-embedded-'));
    database = await openEmbeddedDatabase(folder);
    await database.script('CREATE TABLE kept (n integer)');
    await database.query('INSERT INTO kept VALUES ($1)', [1]);
  });
  afterAll(async () => {
    await database.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('has what was committed when its process was killed, and none of what was not', async () => {
    const [pid] = pids();
    const cutOff = database.transaction(async (query) => {
      await query('INSERT INTO kept VALUES ($1)', [2]);
      process.kill(pid as number, 'SIGKILL');
      await until(() => {
        try {
          return process.kill(pid as number, 0) && false;
        } catch {
          return true;
        }
      }, 'the process is gone');
    });
    await expect(cutOff).rejects.toThrow('the embedded database has ended');
    let seen: readonly unknown[] = [];
    const asked = async () => {
      seen = await rows(database).catch(() => []);
      return seen.length > 0;
    };
    await until(asked, 'another process answers');
    expect(seen).toEqual([1]);
    expect(pids()).not.toContain(pid);
  });

  const linux = process.platform === 'linux' ? it : it.skip;
  linux('waits behind who answers requests with every thread, those that compile too', () => {
    const [pid] = pids();
    const niceOf = (thread: string) => getPriority(Number(thread));
    const threads = readdirSync(`/proc/${pid}/task`);
    expect(threads.length).toBeGreaterThan(4);
    expect(new Set(threads.map(niceOf))).toEqual(new Set([constants.priority.PRIORITY_BELOW_NORMAL]));
  });

  it('is opened by one process at a time: the next waits until the one before is gone', async () => {
    let isOpen = false;
    const next = openEmbeddedDatabase(folder).then((opened) => {
      isOpen = true;
      return opened;
    });
    await until(() => pids().length === 2, 'the next process runs');
    await database.query('INSERT INTO kept VALUES ($1)', [3]);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(isOpen).toBe(false);
    await database.query('INSERT INTO kept VALUES ($1)', [4]);
    await database.close();
    database = await next;
    expect(await rows(database)).toEqual([1, 3, 4]);
  });
});
