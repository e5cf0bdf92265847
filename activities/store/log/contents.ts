// Large content by its SHA-256: up to 1 MiB in Postgres, above that in files of the data folder, or in a bucket. Storing
// the same bytes twice is storing them once. What no row names goes a day after it was last put; each new put starts the
// day anew.
import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { sql } from 'kysely';
import type { Db, Queries } from '../db/database.ts';
import { receive } from './incoming.ts';
import { type Content, createFolder, type FoundContent, inOrder, nameOf, type Place } from './place.ts';

// Above this a row makes Postgres' toast and its backups heavy; files are what file systems are for.
const inRowBytes = 1024 * 1024;
// A file or a row each: its lock is held for some milliseconds.
const batchContents = 200;

export interface Contents {
  /** `queries`: of the transaction that tells of it, where there is one. */
  put(tenantId: string, mediaType: string, bytes: Buffer, queries?: Queries): Promise<string>;
  /**
   * The same of what comes in pieces; undefined when that is more than `most` bytes. `inRow`: what is larger than this is
   * kept beside its row; a mebibyte unless said.
   */
  take(
    tenantId: string,
    mediaType: string,
    source: AsyncIterable<Uint8Array>,
    most: number,
    inRow?: number,
  ): Promise<{ key: string; size: number } | undefined>;
  /** Whether its row and, of large content, its bytes are there. */
  has(tenantId: string, key: string): Promise<boolean>;
  get(tenantId: string, key: string): Promise<{ mediaType: string; bytes: Buffer } | undefined>;
  /** Has the row carry large content too, for a machine that does not have our files. */
  toRow(tenantId: string, key: string): Promise<void>;
  /** Removes some of what was last put before and no row names. In a transaction. */
  removeUnnamed(queries: Queries, tenantId: string, before: Date): Promise<RemovedContents>;
  /** What was written before and no row tells of, at most so many. */
  strays(queries: Queries, before: Date, most: number): Promise<FoundContent[]>;
  /** Removes that, unless a row has come to tell of it. In a transaction. */
  removeStray(queries: Queries, stray: FoundContent): Promise<boolean>;
}

/** No try finds it again. */
export class ContentLost extends Error {
  override name = 'ContentLost';

  constructor(key: string) {
    super(`Content ${key} has a row and is nowhere: it was lost.`);
  }
}

export interface RemovedContents {
  rows: number;
  bytes: number;
  more: boolean;
}

interface Told {
  tenantId: string;
  mediaType: string;
  key: string;
  size: number;
  /** Null: beside the row. */
  body: Buffer | null;
}

/** What counts as unnamed, of `contents content`. */
export const unnamed = sql<boolean>`not exists (select from calls where calls.content_key = content.key)
  and not exists (select from run_contents named where named.content_key = content.key)`;

/**
 * `folder`: where files come in, and lie unless there is a bucket; what lies there from before it is still found. `inRow`:
 * the most that goes into a row; a machine whose files no other process sees puts all there.
 */
export function createContents(db: Db, folder: string, bucket?: Place, inRow = inRowBytes): Contents {
  const files = createFolder(folder);
  const place = bucket === undefined ? files : inOrder(bucket, files);
  return {
    async put(tenantId, mediaType, bytes, queries = db) {
      const key = createHash('sha256').update(bytes).digest('hex');
      const size = bytes.length;
      const body = size <= inRow ? bytes : null;
      await tell(queries, place, { tenantId, mediaType, key, size, body }, bytes);
      return key;
    },
    async take(tenantId, mediaType, source, most, inMemory = inRow) {
      const incoming = await receive(source, { folder, most, inMemory });
      if (incoming === undefined) return undefined;
      const { key, size, held } = incoming;
      const of = { tenantId, mediaType, key, size };
      if ('bytes' in held) await tell(db, place, { ...of, body: held.bytes }, held.bytes);
      else
        try {
          await tell(db, place, { ...of, body: null }, { file: held.file, size });
        } finally {
          await rm(held.file, { force: true });
        }
      return { key, size };
    },
    async has(tenantId, key) {
      const row = await db
        .selectFrom('contents')
        .select((eb) => eb('body', 'is', null).as('large'))
        .where('tenant_id', '=', tenantId)
        .where('key', '=', key)
        .executeTakeFirst();
      return row !== undefined && (!row.large || place.has(key));
    },
    async get(tenantId, key) {
      const row = await db
        .selectFrom('contents')
        .select(['media_type', 'body'])
        .where('tenant_id', '=', tenantId)
        .where('key', '=', key)
        .executeTakeFirst();
      if (!row) return undefined;
      const bytes = row.body ?? (await place.get(key));
      // On the machine of an executor: what an earlier run left is where that ran.
      if (bytes === undefined && inRow > inRowBytes) return undefined;
      if (bytes === undefined) throw new ContentLost(key);
      return { mediaType: row.media_type, bytes };
    },
    toRow: (tenantId, key) => toRow(db, place, tenantId, key),
    removeUnnamed: (...given) => removeUnnamed(place, ...given),
    async strays(queries, before, most) {
      const strays: FoundContent[] = [];
      for await (const page of place.found(before)) {
        strays.push(...(await unknownOf(queries, page)));
        if (strays.length >= most) break;
      }
      return strays.slice(0, most);
    },
    async removeStray(queries, { place: where, name, key }) {
      if (key !== undefined) {
        await lockFile(queries, key);
        if (await hasRow(queries, key)) return false;
      }
      await where.remove(name);
      return true;
    },
  };
}

async function toRow(db: Db, place: Place, tenantId: string, key: string): Promise<void> {
  const row = await db
    .selectFrom('contents')
    .select('key')
    .where('tenant_id', '=', tenantId)
    .where('key', '=', key)
    .where('body', 'is', null)
    .executeTakeFirst();
  const body = row && (await place.get(key));
  if (!body) return;
  // What lies beside it goes as a stray, once no row of the key is left.
  await db
    .updateTable('contents')
    .set({ body })
    .where('tenant_id', '=', tenantId)
    .where('key', '=', key)
    .execute();
}

async function removeUnnamed(
  place: Place,
  ...[queries, tenantId, before]: Parameters<Contents['removeUnnamed']>
): Promise<RemovedContents> {
  const { rows } = await sql<{ key: string; large: boolean }>`
    select key, body is null as large from contents content
    where tenant_id = ${tenantId} and created_at < ${before} and ${unnamed}
    order by key limit ${batchContents}`.execute(queries);
  const small = rows.filter(({ large }) => !large).map(({ key }) => key);
  const large = rows.filter((row) => row.large);
  let [removed, bytes] = [0, 0];
  // Locks of files before those of rows, in one order, as a put takes them.
  for (const { key } of large) {
    const size = await removeLarge(place, queries, tenantId, { key, before });
    if (size > 0) removed += 1;
    bytes += size;
  }
  const { rows: gone } = await sql<{ size: number }>`delete from contents content
    where tenant_id = ${tenantId} and key = any(${small}) and created_at < ${before} and ${unnamed}
    returning size`.execute(queries);
  bytes += gone.reduce((sum, { size }) => sum + size, 0);
  return { rows: removed + gone.length, bytes, more: rows.length === batchContents };
}

/** Only the last of its rows takes the bytes along: every tenant's content of that key is in them. */
async function removeLarge(
  place: Place,
  queries: Queries,
  tenantId: string,
  { key, before }: { key: string; before: Date },
): Promise<number> {
  await lockFile(queries, key);
  const { rows } = await sql<{ size: number }>`delete from contents content
    where tenant_id = ${tenantId} and key = ${key} and created_at < ${before} and ${unnamed} returning size`.execute(
    queries,
  );
  if (!rows[0]) return 0;
  if (!(await hasRow(queries, key))) await place.remove(nameOf(key));
  return rows[0].size;
}

/** `content`: the bytes that are no part of the row. */
async function tell(
  queries: Queries,
  place: Place,
  { tenantId, mediaType, key, size, body }: Told,
  content: Content,
): Promise<void> {
  const inRow = body !== null;
  // Bytes first: a row without them would promise what is not there.
  if (!inRow) await place.put(key, content);
  // What is there becomes young again: its removal looks at the age under the lock of the row.
  await sql`insert into contents (key, tenant_id, media_type, size, body)
    select ${key}, ${tenantId}, ${mediaType}, ${size}, ${body}
    from (select ${inRow ? sql`null` : fileLock(key)}) locked
    on conflict (tenant_id, key) do update set created_at = now()`.execute(queries);
  // A removal that was under way may have taken the bytes; with the row there none does any more.
  if (!inRow && !(await place.has(key))) await place.put(key, content);
}

/** Held by a transaction that names a file in a row or removes the file: until its end. */
function fileLock(key: string) {
  // Fifteen digits of the hash are a positive 64-bit number.
  return sql`pg_advisory_xact_lock(${BigInt(`0x${key.slice(0, 15)}`).toString()}::bigint)`;
}

async function lockFile(queries: Queries, key: string): Promise<void> {
  await sql`select ${fileLock(key)}`.execute(queries);
}

/** Of content that is beside its row. */
async function hasRow(queries: Queries, key: string): Promise<boolean> {
  const row = await queries
    .selectFrom('contents')
    .select('key')
    .where('key', '=', key)
    .where('body', 'is', null)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

async function unknownOf(queries: Queries, found: FoundContent[]): Promise<FoundContent[]> {
  const keys = found.flatMap(({ key }) => key ?? []);
  const { rows } = await sql<{ key: string }>`
    select distinct key from contents where key = any(${keys}) and body is null`.execute(queries);
  const known = new Set(rows.map(({ key }) => key));
  return found.filter(({ key }) => key === undefined || !known.has(key));
}
