// Migrations: numbered files with up and down, each run inside one transaction for all that are due.
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { sql } from 'kysely';
import { FileMigrationProvider, Migrator, NO_MIGRATIONS } from 'kysely/migration';
import { type DatabaseOptions, type Db, openDatabase } from './database.ts';

export interface MigrationState {
  name: string;
  appliedAt: string | null;
}

// As they were named when several had one number; a database that has them knows them by these names.
const renamed = {
  '0003-crossings-of-allowances': '0004-crossings-of-allowances',
  '0003-draw-on-allowances': '0005-draw-on-allowances',
  '0003-room-in-allowances': '0006-room-in-allowances',
  '0005-approvals': '0007-approvals',
  '0006-policies': '0008-policies',
  '0007-stall': '0009-stall',
};

async function renameApplied(db: Db): Promise<void> {
  const { rows } = await sql<{
    there: boolean;
  }>`select to_regclass('kysely_migration') is not null as there`.execute(db);
  if (!rows[0]?.there) return;
  const names = sql`select * from jsonb_each_text(${JSON.stringify(renamed)}::jsonb) as renamed (old, name)`;
  await sql`update kysely_migration applied set name = renamed.name from (${names}) renamed
    where applied.name = renamed.old`.execute(db);
}

// A statement may rewrite a large table, and of several processes the others wait for the one that migrates. Kysely waits
// as long for its lock; for one of a table, behind which all others would wait, not longer than a request.
const longestMs = 3_600_000;

async function withMigrator<T>(url: string, act: (migrator: Migrator) => Promise<T>): Promise<T> {
  // By itself: whether Postgres answers at all is known as soon as for a request.
  await onDatabase({ url, connections: 1, name: 'perdure-migrate' }, renameApplied);
  // Two: the migrator holds one for its lock and uses another to look at the tables.
  return onDatabase({ url, connections: 2, name: 'perdure-migrate', longestMs }, async (db) => {
    const provider = new FileMigrationProvider({
      fs,
      path,
      migrationFolder: path.join(import.meta.dirname, 'migrations'),
      // A module's name is a URL: a path with `#`, `?` or `%` in it would name another file.
      import: (file) => import(pathToFileURL(file).href),
    });
    return act(new Migrator({ db, provider }));
  });
}

async function onDatabase<T>(options: DatabaseOptions, act: (db: Db) => Promise<T>): Promise<T> {
  const database = openDatabase(options);
  try {
    return await act(database.db);
  } finally {
    await database.close();
  }
}

/** Brings the database to the newest version; safe to run from several processes at once. */
export async function migrateUp(url: string): Promise<string[]> {
  return withMigrator(url, async (migrator) => {
    const { error, results } = await migrator.migrateToLatest();
    if (error) throw error;
    return (results ?? []).map((result) => result.migrationName);
  });
}

/** Brings an empty database to the version that had this as its newest. */
export async function migrateTo(url: string, name: string): Promise<void> {
  await withMigrator(url, async (migrator) => {
    const { error } = await migrator.migrateTo(name);
    if (error) throw error;
  });
}

/** Takes back the newest migration, or all of them. */
export async function migrateDown(url: string, all = false): Promise<string[]> {
  return withMigrator(url, async (migrator) => {
    const { error, results } = all ? await migrator.migrateTo(NO_MIGRATIONS) : await migrator.migrateDown();
    if (error) throw error;
    return (results ?? []).map((result) => result.migrationName);
  });
}

export async function migrationStatus(url: string): Promise<MigrationState[]> {
  return withMigrator(url, async (migrator) =>
    (await migrator.getMigrations()).map((migration) => ({
      name: migration.name,
      appliedAt: migration.executedAt?.toISOString() ?? null,
    })),
  );
}

/** Why a process of this version cannot work with the database as it is, in a sentence. */
export async function schemaProblem(url: string): Promise<string | undefined> {
  const database = openDatabase({ url, connections: 1, name: 'perdure-look' });
  try {
    const there = await sql<{
      there: boolean;
    }>`select to_regclass('kysely_migration') is not null as there`.execute(database.db);
    if (there.rows[0]?.there !== true)
      return 'The database of DATABASE_URL has nothing of Perdure in it: start the server on it first.';
    const { rows } = await sql<{ name: string }>`select name from kysely_migration`.execute(database.db);
    const ours = (await fs.readdir(path.join(import.meta.dirname, 'migrations'))).map(
      (file) => path.parse(file).name,
    );
    const applied = rows.map(({ name }) => name);
    const unknown = applied.find((name) => !ours.includes(name));
    if (unknown !== undefined)
      return `The database of DATABASE_URL is of a newer version of Perdure (it has ${unknown}): bring this machine to the version of the server.`;
    const missing = ours.find((name) => !applied.includes(name));
    return (
      missing &&
      `The database of DATABASE_URL is of an older version of Perdure (it lacks ${missing}): bring the server to the version of this machine.`
    );
  } finally {
    await database.close();
  }
}
