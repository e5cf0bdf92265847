// Large content by its SHA-256: up to 1 MiB in Postgres, above that in files of the data folder. Storing the
// same bytes twice is storing them once.
import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { v7 as uuid } from 'uuid';
import type { Db, Queries } from '../db/database.ts';

// Above this a row makes Postgres' toast and its backups heavy; files are what file systems are for.
const inRowBytes = 1024 * 1024;

export interface Contents {
  /** `queries`: of the transaction that tells of it, where there is one. */
  put(tenantId: string, mediaType: string, bytes: Buffer, queries?: Queries): Promise<string>;
  get(tenantId: string, key: string): Promise<{ mediaType: string; bytes: Buffer } | undefined>;
}

export function createContents(db: Db, folder: string): Contents {
  return {
    async put(tenantId, mediaType, bytes, queries = db) {
      const key = createHash('sha256').update(bytes).digest('hex');
      const inRow = bytes.length <= inRowBytes;
      // File first: a row without its file would promise what is not there.
      if (!inRow) await writeOnce(path.join(folder, key.slice(0, 2)), key, bytes);
      await queries
        .insertInto('contents')
        .values({
          key,
          tenant_id: tenantId,
          media_type: mediaType,
          size: bytes.length,
          body: inRow ? bytes : null,
        })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
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
      return {
        mediaType: row.media_type,
        bytes: row.body ?? (await readFile(path.join(folder, key.slice(0, 2), key))),
      };
    },
  };
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
