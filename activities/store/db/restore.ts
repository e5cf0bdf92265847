// Brings a backup back into a database that is empty: its tables are made by the migrations it had, filled, and only then
// held to each other again.
import { createReadStream } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { copied, fileOf, readBackup, withClient } from './backup.ts';
import type { BackupDescription } from './backup-folder.ts';
import { migrateTo, migrationStatus } from './migrate.ts';

const foreignKeysQuery = `select conrelid::regclass::text as table, quote_ident(conname) as name,
    pg_get_constraintdef(oid) as definition
  from pg_constraint where contype = 'f' and connamespace = current_schema()::regnamespace order by 1, 2`;

interface ForeignKey {
  table: string;
  name: string;
  definition: string;
}

/** In one transaction: after a death the tables are there and empty, and it is refused to go on with them. */
export async function restoreBackup(url: string, folder: string): Promise<BackupDescription> {
  const description = await readBackup(folder);
  const { rows: tables } = await withClient(url, (client) =>
    client.query(
      `select from pg_class where relnamespace = current_schema()::regnamespace and relkind = 'r'`,
    ),
  );
  if (tables.length > 0)
    throw new Error(
      'The database is not empty: make a new one, and give its address as DATABASE_URL; of the embedded one, move the folder postgres of its data folder away.',
    );
  if (!(await migrationStatus(url)).some(({ name }) => name === description.migration))
    throw new Error('The backup is of a newer version of Perdure: restore it with that one.');
  await migrateTo(url, description.migration);
  await withClient(url, (client) => fill(client, folder, description));
  return description;
}

async function fill(client: pg.Client, folder: string, description: BackupDescription): Promise<void> {
  await client.query('begin');
  const { rows: keys } = await client.query<ForeignKey>(foreignKeysQuery);
  for (const { table, name } of keys) await client.query(`alter table ${table} drop constraint ${name}`);
  for (const table of description.tables) {
    const name = pg.escapeIdentifier(table.name);
    // What migrations put into it is in the backup too; the audit, which is empty here, refuses any deletion.
    const { rowCount } = await client.query(`select from ${name} limit 1`);
    if (rowCount !== 0) await client.query(`delete from ${name}`);
    const rows = client.query(copyFrom(`copy ${copied(table)} from stdin`));
    await pipeline(createReadStream(fileOf(folder, table)), createGunzip(), rows);
    if (rows.rowCount !== table.rows)
      throw new Error(`The backup has ${table.rows} rows of ${table.name}, and ${rows.rowCount} came back.`);
  }
  for (const { name, value } of description.sequences)
    await client.query('select setval(quote_ident($1)::regclass, $2::bigint)', [name, value]);
  for (const { table, name, definition } of keys)
    await client.query(`alter table ${table} add constraint ${name} ${definition}`);
  await client.query('commit');
}

const scratch = 'perdure_check_';

/**
 * Restores it into a database that is made for that and dropped again. False where the user of the database may make
 * none: then only its files were read. Throws what is wrong with it.
 */
export async function tryRestore(url: string, folder: string): Promise<boolean> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<{ may: boolean }>(
      'select rolcreatedb or rolsuper as may from pg_roles where rolname = current_user',
    );
    if (rows[0]?.may !== true) {
      await readBackup(folder);
      return false;
    }
    await dropLeftovers(client);
    const name = `${scratch}${randomUUID().replaceAll('-', '')}`;
    await client.query(`create database ${name} template template0`);
    try {
      const place = new URL(url);
      place.pathname = `/${name}`;
      // In use from here on, also while only files are read.
      await withClient(place.href, () => restoreBackup(place.href, folder));
    } finally {
      await client.query(`drop database if exists ${name} with (force)`);
    }
    return true;
  });
}

/** Of checks whose process died. One that is in use is of a check under way. */
async function dropLeftovers(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `select datname as name from pg_database where datname like '${scratch.replaceAll('_', '\\_')}%'
     and not exists (select from pg_stat_activity where pg_stat_activity.datname = pg_database.datname)`,
  );
  for (const { name } of rows)
    await client.query(`drop database if exists ${pg.escapeIdentifier(name)}`).catch(() => undefined);
}
