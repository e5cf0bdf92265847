// Idempotency keys: the answer a request got, stored with its effect, so that the same request again gets the
// same answer. The lock that says "in flight" belongs to the transaction: a crash leaves nothing in flight.
import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import type { Queries } from '../db/database.ts';

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

// Longer than any client tries again; after that the key may mean something new. The nightly pruning removes the rest.
const keepHours = 24;

/**
 * Takes the key for the transaction and returns the answer stored under it, and what that answered; undefined for a new
 * key. `locked`: another transaction works on the same key right now.
 */
export async function claimKey(
  tx: Queries,
  scope: KeyScope,
): Promise<(StoredAnswer & { bodyHash: string }) | 'locked' | undefined> {
  const { tenantId, method, path, key } = scope;
  const name = [tenantId, method, path, key].join('\n');
  const number = createHash('sha256').update(name).digest().readBigInt64BE().toString();
  const { rows } = await sql<{
    locked: boolean;
    body_hash: string | null;
    status: number;
    headers: Record<string, string>;
    body: string;
  }>`select claimed.locked, (claimed.answer).* from claim_key(${number}, ${tenantId}, ${method}, ${path}, ${key},
    ${oldest()}) claimed`.execute(tx);
  const [row] = rows;
  if (!row?.locked) return 'locked';
  if (row.body_hash === null) return undefined;
  return { bodyHash: row.body_hash, status: row.status, headers: row.headers, body: row.body };
}

/** Stores the answer in the transaction of its effect; takes the place of one that is too old to count. */
export async function keepAnswer(
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

function oldest(): Date {
  return new Date(Date.now() - keepHours * 3_600_000);
}
