// Tokens of the API: only their SHA-256 is stored. Making and revoking them, and whether one still counts.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { sql } from 'kysely';
import { v7 as uuid } from 'uuid';
import { Failure, found } from '../../../workflows/contracts/failures.ts';
import { type Db, type Queries, violatedConstraint } from '../db/database.ts';
import type { Write } from '../log/events.ts';
import { tokensChannel } from '../log/notifier.ts';
import { addAudit } from './audit.ts';
import { counts, type TokenRow } from './token-lists.ts';

export function hashOfToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** 256 bits: it cannot be guessed, and hashing it slowly would protect nothing. */
export function newTokenValue(): string {
  return `pdr_${randomBytes(32).toString('base64url')}`;
}

export async function findToken(
  queries: Queries,
  tenantId: string,
  hash: Buffer,
): Promise<TokenRow | undefined> {
  const row = await queries
    .selectFrom('tokens')
    .selectAll()
    .where('hash', '=', hash)
    .where('tenant_id', '=', tenantId)
    .where(counts)
    .executeTakeFirst();
  return row && timingSafeEqual(row.hash, hash) ? row : undefined;
}

/** Which of these tokens still count. */
export async function liveTokens(db: Db, tenantId: string, ids: readonly string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const rows = await db
    .selectFrom('tokens')
    .select('id')
    .where('tenant_id', '=', tenantId)
    .where('id', 'in', ids)
    .where(counts)
    .execute();
  return new Set(rows.map((row) => row.id));
}

/** Notes when tokens were used; a note that is older than what is there changes nothing. */
export async function noteUse(db: Db, tenantId: string, used: ReadonlyMap<string, Date>): Promise<void> {
  if (used.size === 0) return;
  const uses = sql<{ id: string; at: Date }>`(select * from unnest(${[...used.keys()]}::uuid[],
    ${[...used.values()].map((at) => at.toISOString())}::timestamptz[]) as uses (id, at))`;
  await sql`update tokens set last_used_at = greatest(last_used_at, uses.at) from ${uses} uses
    where tokens.tenant_id = ${tenantId} and tokens.id = uses.id`.execute(db);
}

export interface NewToken {
  tenantId: string;
  name: string;
  by: string;
  /** Null: it counts until it is revoked. */
  expiresInDays: number | null;
}

/** The row and, this once, its value. */
export async function createToken(write: Write, token: NewToken): Promise<{ row: TokenRow; value: string }> {
  const value = newTokenValue();
  const { tenantId, name, by, expiresInDays } = token;
  const expires = sql<Date | null>`now() + make_interval(days => ${expiresInDays}::integer)`;
  const row = await write.tx
    .insertInto('tokens')
    .values({
      id: uuid(),
      tenant_id: tenantId,
      name,
      hash: hashOfToken(value),
      created_by: by,
      expires_at: expires,
    })
    .returningAll()
    .executeTakeFirstOrThrow()
    .catch((error: unknown) => {
      if (violatedConstraint(error) !== 'tokens_names') throw error;
      const problem = 'is the name of another token; use another one, or revoke that one first';
      throw new Failure('TokenExists', `"${name}" ${problem}.`, { fields: [{ path: 'name', problem }] });
    });
  await addAudit(write, [
    { tenantId, actor: by, action: 'token-create', detail: { tokenId: row.id, name, expiresInDays } },
  ]);
  return { row, value };
}

/** What becomes of it; whether it had been revoked before, and how many still count. */
export async function revokeToken(
  write: Write,
  tenantId: string,
  tokenId: string,
  by: string,
): Promise<{ row: TokenRow; left: number }> {
  const row = await write.tx
    .selectFrom('tokens')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('id', '=', tokenId)
    .forUpdate()
    .executeTakeFirst();
  const { name, revoked_at } = found(row, `token ${tokenId}`);
  if (revoked_at === null) {
    await write.tx.updateTable('tokens').set({ revoked_at: sql`now()` }).where('id', '=', tokenId).execute();
    await tellRevoked(write, [tokenId]);
    await addAudit(write, [{ tenantId, actor: by, action: 'token-revoke', detail: { tokenId, name } }]);
  }
  const after = await write.tx
    .selectFrom('tokens')
    .selectAll()
    .where('id', '=', tokenId)
    .executeTakeFirstOrThrow();
  const { left } = await write.tx
    .selectFrom('tokens')
    .select((eb) => eb.fn.countAll<string>().as('left'))
    .where('tenant_id', '=', tenantId)
    .where(counts)
    .executeTakeFirstOrThrow();
  return { row: after, left: Number(left) };
}

/** Every API process hears it with the commit: it forgets the tokens and ends their streams. */
export async function tellRevoked({ tx }: Pick<Write, 'tx'>, tokenIds: readonly string[]): Promise<void> {
  for (const tokenId of tokenIds) await sql`select pg_notify(${tokensChannel}, ${tokenId})`.execute(tx);
}
