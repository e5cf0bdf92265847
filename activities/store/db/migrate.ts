// Migrations: numbered files with up and down, each run inside one transaction for all that are due.
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { sql } from 'kysely';
import { FileMigrationProvider, Migrator, NO_MIGRATIONS } from 'kysely/migration';
import { type Db, openDatabase } from './database.ts';

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

async function withMigrator<T>(url: string, act: (migrator: Migrator) => Promise<T>): Promise<T> {
  // Two: the migrator holds one for its lock and uses another to look at the tables.
  const database = openDatabase({ url, connections: 2, name: 'perdure-migrate' });
  try {
    const provider = new FileMigrationProvider({
      fs,
      path,
      migrationFolder: path.join(import.meta.dirname, 'migrations'),
      // A module's name is a URL: a path with `#`, `?` or `%` in it would name another file.
      import: (file) => import(pathToFileURL(file).href),
    });
    await renameApplied(database.db);
    return await act(new Migrator({ db: database.db, provider }));
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
