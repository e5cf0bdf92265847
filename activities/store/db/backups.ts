// Makes and checks backups: one process at a time, and none takes the place of a good one before it has been restored on
// trial itself.
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { readBackup, withClient, writeBackup } from './backup.ts';
import {
  ageProblem,
  backupNames,
  checkFile,
  keptBackups,
  listBackups,
  nameOf,
  noBackup,
  sumOf,
  toMegabytes,
  unfinished,
} from './backup-folder.ts';
import { tryRestore } from './restore.ts';

export interface Backups {
  /** Makes one, checks it, and forgets those that are too many. Answers what people want to know of it. */
  make(): Promise<string>;
  /** That the newest is young enough and can be restored; throws in a sentence where not. */
  check(): Promise<string>;
}

export function createBackups(url: string, folder: string, clock = (): Date => new Date()): Backups {
  const placeOf = (name: string): string => path.join(folder, name);

  /** Another process that is at it is waited for; one that dies is none. */
  function alone<T>(act: () => Promise<T>): Promise<T> {
    return withClient(url, async (client) => {
      await client.query(`select pg_advisory_lock(hashtext('perdure-backups'))`);
      return act();
    });
  }

  /** What dead processes left. */
  async function clear(): Promise<void> {
    for (const name of await readdir(folder))
      if (name.endsWith(unfinished)) await rm(placeOf(name), { recursive: true, force: true });
  }

  async function forget(): Promise<void> {
    const { items } = await listBackups(folder, clock());
    const bad = items.filter(({ check }) => check !== null && check.problem !== null);
    const names = items.map(({ name }) => name);
    const kept = keptBackups(names, new Set(bad.map(({ name }) => name)));
    for (const name of names)
      if (!kept.includes(name)) {
        // Half of it is no backup.
        await rename(placeOf(name), `${placeOf(name)}${unfinished}`);
        await rm(`${placeOf(name)}${unfinished}`, { recursive: true, force: true });
      }
  }

  async function checkOne(name: string): Promise<string> {
    const at = clock().toISOString();
    const note = async (restored: boolean, problem: string | null): Promise<void> =>
      writeFile(path.join(placeOf(name), checkFile), JSON.stringify({ at, restored, problem }), {
        mode: 0o600,
      });
    try {
      const restored = await tryRestore(url, placeOf(name));
      await note(restored, null);
      const { bytes, rows } = sumOf(await readBackup(placeOf(name)));
      const what = `Backup ${name}, ${toMegabytes(bytes)} with ${rows} rows,`;
      return restored
        ? `${what} was restored into a database of its own, which is gone again.`
        : `${what} is whole; it was not restored, since the user of the database may not make one.`;
    } catch (error) {
      await note(false, (error as Error).message);
      throw error;
    }
  }

  return {
    async make() {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      return alone(async () => {
        await clear();
        const taken = await backupNames(folder);
        let now = clock();
        // A name is a second, and two may follow each other in one.
        while (taken.includes(nameOf(now))) now = new Date(now.getTime() + 1000);
        const name = nameOf(now);
        await writeBackup(url, placeOf(name), now);
        try {
          return await checkOne(name);
        } finally {
          await forget();
        }
      });
    },
    check: () =>
      alone(async () => {
        const [newest] = await backupNames(folder);
        const problem = newest === undefined ? noBackup : ageProblem(newest, clock());
        if (newest === undefined || problem !== null) throw new Error(problem ?? noBackup);
        return checkOne(newest);
      }),
  };
}
