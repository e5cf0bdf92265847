// Large content by its SHA-256: up to 1 MiB in Postgres, above that in files of the data folder. Storing the same bytes
// twice is storing them once. What no row names goes a day after it was last put; each new put starts the day anew.
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { sql } from 'kysely';
import { v7 as uuid } from 'uuid';
import type { Db, Queries } from '../db/database.ts';

// Above this a row makes Postgres' toast and its backups heavy; files are what file systems are for.
const inRowBytes = 1024 * 1024;
// A file or a row each: its lock is held for some milliseconds.
const batchContents = 200;

export interface Contents {
  /** `queries`: of the transaction that tells of it, where there is one. */
  put(tenantId: string, mediaType: string, bytes: Buffer, queries?: Queries): Promise<string>;
  get(tenantId: string, key: string): Promise<{ mediaType: string; bytes: Buffer } | undefined>;
  /** Removes some of what was last put before and no row names. In a transaction. */
  removeUnnamed(queries: Queries, tenantId: string, before: Date): Promise<RemovedContents>;
  /** The files that were written before and that no row tells of. */
  strayFiles(queries: Queries, before: Date): Promise<StrayFile[]>;
  /** Removes such a file, unless a row has come to tell of it. In a transaction. */
  removeStray(queries: Queries, file: StrayFile): Promise<boolean>;
}

export interface RemovedContents {
  rows: number;
  bytes: number;
  more: boolean;
}

export interface StrayFile {
  path: string;
  /** Undefined for a file that was never finished. */
  key: string | undefined;
  bytes: number;
}

/** What counts as unnamed, of `contents content`. */
export const unnamed = sql<boolean>`not exists (select from calls where calls.content_key = content.key)`;

export function createContents(db: Db, folder: string): Contents {
  const fileOf = (key: string): string => path.join(folder, key.slice(0, 2), key);

  /** Only the last of its rows takes the file along: every tenant's content of that key is in it. */
  async function removeLarge(queries: Queries, tenantId: string, key: string, before: Date): Promise<number> {
    await lockFile(queries, key);
    const { rows } = await sql<{ size: number }>`delete from contents content
      where tenant_id = ${tenantId} and key = ${key} and created_at < ${before} and ${unnamed} returning size`.execute(
      queries,
    );
    if (!rows[0]) return 0;
    if (!(await hasRow(queries, key))) await rm(fileOf(key), { force: true });
    return rows[0].size;
  }

  return {
    async put(tenantId, mediaType, bytes, queries = db) {
      const key = createHash('sha256').update(bytes).digest('hex');
      const inRow = bytes.length <= inRowBytes;
      const write = () => writeOnce(path.join(folder, key.slice(0, 2)), key, bytes);
      // File first: a row without its file would promise what is not there.
      if (!inRow) await write();
      // What is there becomes young again: its removal looks at the age under the lock of the row.
      await sql`insert into contents (key, tenant_id, media_type, size, body)
        select ${key}, ${tenantId}, ${mediaType}, ${bytes.length}, ${inRow ? bytes : null}
        from (select ${inRow ? sql`null` : fileLock(key)}) locked
        on conflict (tenant_id, key) do update set created_at = now()`.execute(queries);
      // A removal that was under way may have taken the file; with the row there none does any more.
      if (!inRow && !(await exists(fileOf(key)))) await write();
      return key;
    },
    async get(tenantId, key) {
      const row = await db
        .selectFrom('contents')
        .select(['media_type', 'body'])
        .where('tenant_id', '=', tenantId)
        .where('key', '=', key)
        .executeTakeFirst();
      if (!row) return undefined;
      return { mediaType: row.media_type, bytes: row.body ?? (await readFile(fileOf(key))) };
    },
    async removeUnnamed(queries, tenantId, before) {
      const { rows } = await sql<{ key: string; large: boolean }>`
        select key, body is null as large from contents content
        where tenant_id = ${tenantId} and created_at < ${before} and ${unnamed}
        order by key limit ${batchContents}`.execute(queries);
      const small = rows.filter(({ large }) => !large).map(({ key }) => key);
      const large = rows.filter((row) => row.large);
      let [removed, bytes] = [0, 0];
      // Locks of files before those of rows, in one order, as a put takes them.
      for (const { key } of large) {
        const size = await removeLarge(queries, tenantId, key, before);
        if (size > 0) removed += 1;
        bytes += size;
      }
      const { rows: gone } = await sql<{ size: number }>`delete from contents content
        where tenant_id = ${tenantId} and key = any(${small}) and created_at < ${before} and ${unnamed}
        returning size`.execute(queries);
      bytes += gone.reduce((sum, { size }) => sum + size, 0);
      return { rows: removed + gone.length, bytes, more: rows.length === batchContents };
    },
    strayFiles: (queries, before) => strayFiles(queries, folder, before),
    async removeStray(queries, file) {
      if (file.key !== undefined) {
        await lockFile(queries, file.key);
        if (await hasRow(queries, file.key)) return false;
      }
      await rm(file.path, { force: true });
      return true;
    },
  };
}

/** Held by a transaction that names a file in a row or removes the file: until its end. */
function fileLock(key: string) {
  // Fifteen digits of the hash are a positive 64-bit number.
  return sql`pg_advisory_xact_lock(${BigInt(`0x${key.slice(0, 15)}`).toString()}::bigint)`;
}

async function lockFile(queries: Queries, key: string): Promise<void> {
  await sql`select ${fileLock(key)}`.execute(queries);
}

async function hasRow(queries: Queries, key: string): Promise<boolean> {
  const row = await queries
    .selectFrom('contents')
    .select('key')
    .where('key', '=', key)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

async function strayFiles(queries: Queries, folder: string, before: Date): Promise<StrayFile[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true }).catch(noneOf);
  const files: StrayFile[] = [];
  for (const entry of found.filter((each) => each.isFile())) {
    const file = path.join(entry.parentPath, entry.name);
    const { size, mtimeMs } = (await stat(file).catch(() => undefined)) ?? { size: 0, mtimeMs: Date.now() };
    if (mtimeMs >= before.getTime()) continue;
    files.push({ path: file, key: /^[0-9a-f]{64}$/.test(entry.name) ? entry.name : undefined, bytes: size });
  }
  const keys = files.flatMap(({ key }) => key ?? []);
  const { rows } = await sql<{
    key: string;
  }>`select distinct key from contents where key = any(${keys})`.execute(queries);
  const known = new Set(rows.map(({ key }) => key));
  return files.filter(({ key }) => key === undefined || !known.has(key));
}

function noneOf(error: NodeJS.ErrnoException): [] {
  if (error.code === 'ENOENT') return [];
  throw error;
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

async function writeOnce(folder: string, name: string, bytes: Buffer): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const temporary = path.join(folder, `.${name}.${uuid()}`);
  const file = await open(temporary, 'wx', 0o600);
  try {
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path.join(folder, name));
  } catch (error) {
    // It is tried again as long as the disk is full, which no try may make fuller.
    await rm(temporary, { force: true });
    throw error;
  }
}
