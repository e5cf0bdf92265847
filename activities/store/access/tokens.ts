// Tokens of the API: only their SHA-256 is stored. Making the first one, looking one up, and whether it still counts.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { type Selectable, sql } from 'kysely';
import { v7 as uuid } from 'uuid';
import type { Db } from '../db/database.ts';
import type { Tokens } from '../db/tables.ts';
import { transact } from '../db/transactions.ts';

export type TokenRow = Selectable<Tokens>;

// Any constant: it only has to be the same in every process that might make the first token.
const firstTokenLock = 7_700_002;

export function hashOfToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

export async function findToken(db: Db, tenantId: string, hash: Buffer): Promise<TokenRow | undefined> {
  const row = await db
    .selectFrom('tokens')
    .selectAll()
    .where('hash', '=', hash)
    .where('tenant_id', '=', tenantId)
    .where('revoked_at', 'is', null)
    .executeTakeFirst();
  return row && timingSafeEqual(row.hash, hash) ? row : undefined;
}

/** Which of these tokens are not revoked. */
export async function liveTokens(db: Db, tenantId: string, ids: string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const rows = await db
    .selectFrom('tokens')
    .select('id')
    .where('tenant_id', '=', tenantId)
    .where('id', 'in', ids)
    .where('revoked_at', 'is', null)
    .execute();
  return new Set(rows.map((row) => row.id));
}

/**
 * Makes the tenant's first token unless it has one; true when it did. The token is handed over before it counts:
 * whoever dies in between starts over, and no token exists that nobody was given.
 */
export async function ensureFirstToken(
  db: Db,
  tenantId: string,
  writeTokenFile: (token: string) => Promise<void>,
): Promise<boolean> {
  return transact(db, 'first-token', async (tx) => {
    await sql`select pg_advisory_xact_lock(${firstTokenLock})`.execute(tx);
    const existing = await tx
      .selectFrom('tokens')
      .select('id')
      .where('tenant_id', '=', tenantId)
      .limit(1)
      .executeTakeFirst();
    if (existing) return false;
    // 256 bits: nobody guesses it, and hashing it slowly would protect nothing.
    const token = `pdr_${randomBytes(32).toString('base64url')}`;
    await writeTokenFile(token);
    await tx
      .insertInto('tokens')
      .values({ id: uuid(), tenant_id: tenantId, name: 'first', hash: hashOfToken(token) })
      .execute();
    return true;
  });
}
