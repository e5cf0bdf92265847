// Idempotency keys: the answer a request got, stored with its effect, so that the same request again gets the
// same answer. The lock that says "in flight" belongs to the transaction: a crash leaves nothing in flight.
import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import type { Db, Queries } from '../db/database.ts';

export interface KeyScope {
  tenantId: string;
  method: string;
  path: string;
  key: string;
}

export interface StoredAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

// Longer than any client tries again; after that the key may mean something new.
const keepHours = 24;

/** False when another transaction works on the same key right now. */
export async function lockKey(tx: Queries, scope: KeyScope): Promise<boolean> {
  const name = [scope.tenantId, scope.method, scope.path, scope.key].join('\n');
  const number = createHash('sha256').update(name).digest().readBigInt64BE().toString();
  const { rows } = await sql<{
    locked: boolean;
  }>`select pg_try_advisory_xact_lock(${number}::bigint) as locked`.execute(tx);
  return rows[0]?.locked === true;
}

/** Opens a savepoint; the function it returns takes back what was written since, the key's lock excepted. */
export async function openSavepoint(tx: Queries): Promise<() => Promise<void>> {
  await sql`savepoint effect`.execute(tx);
  return async () => {
    await sql`rollback to savepoint effect`.execute(tx);
  };
}

/** The stored answer and what it answered; undefined for a new key. The caller holds the key's lock. */
export async function findAnswer(
  tx: Queries,
  scope: KeyScope,
): Promise<(StoredAnswer & { bodyHash: string }) | undefined> {
  const row = await tx
    .selectFrom('idempotency_keys')
    .selectAll()
    .where('tenant_id', '=', scope.tenantId)
    .where('method', '=', scope.method)
    .where('path', '=', scope.path)
    .where('key', '=', scope.key)
    .where('created_at', '>', oldest())
    .executeTakeFirst();
  if (!row) return undefined;
  return {
    bodyHash: row.body_hash,
    status: row.status,
    headers: row.headers as Record<string, string>,
    body: row.body,
  };
}

/** Stores the answer in the transaction of its effect; takes the place of one that is too old to count. */
export async function storeAnswer(
  tx: Queries,
  scope: KeyScope,
  bodyHash: string,
  answer: StoredAnswer,
): Promise<void> {
  const values = {
    body_hash: bodyHash,
    status: answer.status,
    headers: JSON.stringify(answer.headers),
    body: answer.body,
    created_at: new Date(),
  };
  await tx
    .insertInto('idempotency_keys')
    .values({
      tenant_id: scope.tenantId,
      method: scope.method,
      path: scope.path,
      key: scope.key,
      ...values,
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'method', 'path', 'key']).doUpdateSet(values))
    .execute();
}

export async function forgetOldAnswers(db: Db): Promise<void> {
  await db.deleteFrom('idempotency_keys').where('created_at', '<=', oldest()).execute();
}

function oldest(): Date {
  return new Date(Date.now() - keepHours * 3_600_000);
}
