// A backup of the database: each table as one compressed file of COPY, all of one moment, and a description with their
// hashes. It needs no program beside us and no privilege; `restore.ts` reads it.
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import {
  type BackupDescription,
  type BackupTable,
  descriptionFile,
  readDescription,
  unfinished,
} from './backup-folder.ts';

export function fileOf(folder: string, table: Pick<BackupTable, 'name'>): string {
  return path.join(folder, `${table.name}.copy.gz`);
}

/** A connection whose statements take as long as they take. */
export async function withClient<T>(url: string, act: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: 'perdure-backup' });
  // The statement under way is told too.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await act(client);
  } finally {
    await client.end();
  }
}

/** What belongs to the migrator is made by it. */
const tablesQuery = `select relname as name, array_agg(attname::text order by attnum) as columns
  from pg_class join pg_attribute on attrelid = pg_class.oid
  where relnamespace = current_schema()::regnamespace and relkind = 'r' and relname not like 'kysely\\_%'
    and attnum > 0 and not attisdropped and attgenerated = ''
  group by relname order by relname`;

const sequencesQuery = `select sequencename as name, last_value::text as value from pg_sequences
  where schemaname = current_schema() and last_value is not null order by 1`;

/** Writes it whole or not at all: the folder has its name once everything in it is on the disk. */
export async function writeBackup(url: string, folder: string, now: Date): Promise<BackupDescription> {
  const half = `${folder}${unfinished}`;
  await rm(half, { recursive: true, force: true });
  await mkdir(half, { recursive: true, mode: 0o700 });
  try {
    const description = await withClient(url, (client) => copyAll(client, half, now));
    const text = JSON.stringify(description, undefined, 2);
    await writeFile(path.join(half, descriptionFile), text, { mode: 0o600, flush: true });
    await rename(half, folder);
    return description;
  } catch (error) {
    // On a full disk it makes room again.
    await rm(half, { recursive: true, force: true });
    throw error;
  }
}

async function copyAll(client: pg.Client, folder: string, now: Date): Promise<BackupDescription> {
  // One moment for all tables; nothing waits for it, and it waits for nothing.
  await client.query('begin isolation level repeatable read read only');
  const { rows: migrations } = await client.query<{ name: string }>(
    'select name from kysely_migration order by name desc limit 1',
  );
  const { rows: sequences } = await client.query<{ name: string; value: string }>(sequencesQuery);
  const { rows } = await client.query<{ name: string; columns: string[] }>(tablesQuery);
  const tables: BackupTable[] = [];
  for (const table of rows) tables.push(await copyTable(client, folder, table));
  await client.query('commit');
  const migration = migrations[0]?.name ?? '';
  return { version: 1, createdAt: now.toISOString(), migration, tables, sequences };
}

/** `"name" ("a", "b")`, as COPY wants it. */
export function copied({ name, columns }: Pick<BackupTable, 'name' | 'columns'>): string {
  return `${pg.escapeIdentifier(name)} (${columns.map((column) => pg.escapeIdentifier(column)).join(', ')})`;
}

async function copyTable(
  client: pg.Client,
  folder: string,
  table: { name: string; columns: string[] },
): Promise<BackupTable> {
  const rows = client.query(copyTo(`copy ${copied(table)} to stdout`));
  const hash = createHash('sha256');
  let bytes = 0;
  const counting = async function* (pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const piece of pieces) {
      hash.update(piece);
      bytes += piece.length;
      yield piece;
    }
  };
  const file = createWriteStream(fileOf(folder, table), { mode: 0o600, flush: true });
  await pipeline(rows, createGzip({ level: 1 }), counting, file);
  return { ...table, rows: rows.rowCount, bytes, sha256: hash.digest('hex') };
}

/** Throws one sentence when it is no backup of ours, or not as it was written. */
export async function readBackup(folder: string): Promise<BackupDescription> {
  const name = path.basename(folder);
  const description = await readDescription(folder);
  for (const table of description.tables) {
    const hash = createHash('sha256');
    await pipeline(createReadStream(fileOf(folder, table)), hash).catch((error: NodeJS.ErrnoException) => {
      throw new Error(`Backup ${name} is damaged: ${table.name} cannot be read (${error.code}).`);
    });
    if (hash.digest('hex') !== table.sha256)
      throw new Error(`Backup ${name} is damaged: ${table.name} is not what was written.`);
  }
  return description;
}
