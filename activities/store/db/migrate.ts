// Migrations: numbered files with up and down, each run inside one transaction for all that are due.
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { FileMigrationProvider, Migrator, NO_MIGRATIONS } from 'kysely/migration';
import { openDatabase } from './database.ts';

export interface MigrationState {
  name: string;
  appliedAt: string | null;
}

async function withMigrator<T>(url: string, act: (migrator: Migrator) => Promise<T>): Promise<T> {
  // Two: the migrator holds one for its lock and uses another to look at the tables.
  const database = openDatabase({ url, connections: 2, name: 'perdure-migrate' });
  try {
    const provider = new FileMigrationProvider({
      fs,
      path,
      migrationFolder: path.join(import.meta.dirname, 'migrations'),
    });
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
