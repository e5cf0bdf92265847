// Tokens as they are shown: never their values, of which there is only the SHA-256.
import { type ExpressionBuilder, type ExpressionWrapper, type Selectable, sql, type SqlBool } from 'kysely';
import type { TokenView } from '../../../workflows/contracts/token.ts';
import type { Db } from '../db/database.ts';
import type { DB, Tokens } from '../db/tables.ts';

export type TokenRow = Selectable<Tokens>;

/** The condition for a token that counts: neither revoked nor expired, by the clock of the database. */
export function counts(eb: ExpressionBuilder<DB, 'tokens'>): ExpressionWrapper<DB, 'tokens', SqlBool> {
  return eb.and([
    eb('revoked_at', 'is', null),
    eb.or([eb('expires_at', 'is', null), eb('expires_at', '>', sql<Date>`now()`)]),
  ]);
}

export interface TokenList {
  tenantId: string;
  limit: number;
  /** The last of the page before. */
  before?: string;
  /** Also those that no longer count. */
  all?: boolean;
}

/** Newest first. */
export async function listTokens(db: Db, list: TokenList): Promise<TokenRow[]> {
  let query = db
    .selectFrom('tokens')
    .selectAll()
    .where('tenant_id', '=', list.tenantId)
    .orderBy('id', 'desc')
    .limit(list.limit);
  if (list.before !== undefined) query = query.where('id', '<', list.before);
  if (list.all !== true) query = query.where(counts);
  return query.execute();
}

export function toTokenView(row: TokenRow): TokenView {
  const expired = row.expires_at !== null && row.expires_at.getTime() <= Date.now();
  return {
    id: row.id,
    name: row.name,
    state: row.revoked_at !== null ? 'revoked' : expired ? 'expired' : 'usable',
    inDataFolder: row.in_data_folder,
    createdAt: row.created_at.toISOString(),
    createdBy: row.created_by,
    expiresAt: row.expires_at?.toISOString() ?? null,
    lastUsedAt: row.last_used_at?.toISOString() ?? null,
    revokedAt: row.revoked_at?.toISOString() ?? null,
  };
}
