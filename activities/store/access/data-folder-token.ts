// The token of the data folder: its value is in a file that only the owner of the folder reads. It is made at the first
// start, and anew when the file is lost; then the value that was in the file before no longer opens anything.
import { sql, type Transaction } from 'kysely';
import { v7 as uuid } from 'uuid';
import { dataFolderTokenName } from '../../../workflows/contracts/token.ts';
import type { Db } from '../db/database.ts';
import type { DB } from '../db/tables.ts';
import { transact } from '../db/transactions.ts';
import { toAuditRow } from './audit.ts';
import { counts } from './token-lists.ts';
import { hashOfToken, newTokenValue, tellRevoked } from './tokens.ts';

// Any constant: it only has to be the same in every process that might make the token.
const lockNumber = 7_700_002;

/** Where the value is kept. Writing it is whole or not at all. */
export interface TokenFile {
  read(): Promise<string | undefined>;
  write(value: string): Promise<void>;
}

/**
 * `made`: the tenant had no token. `remade`: the file was lost, empty or held what was never a token here. `revoked`: the
 * file holds a token that does not count any more, which a person decided; nothing was changed.
 */
export type DataFolderToken = 'kept' | 'made' | 'remade' | 'revoked';

/** Makes the tenant's first token unless it has one; the file is written before the token counts. */
export async function ensureFirstToken(
  db: Db,
  tenantId: string,
  writeFile: (value: string) => Promise<void>,
): Promise<boolean> {
  return locked(db, async (tx) => {
    if (await hasTokens(tx, tenantId)) return false;
    await make(tx, tenantId, 'first start', writeFile);
    return true;
  });
}

/** At the start of a supervisor: the file of its data folder opens the API, unless a person decided otherwise. */
export async function ensureFolderToken(db: Db, tenantId: string, file: TokenFile): Promise<DataFolderToken> {
  return locked(db, async (tx) => {
    const first = !(await hasTokens(tx, tenantId));
    const value = await file.read();
    if (!first && value !== undefined && value !== '') {
      const row = await tx
        .selectFrom('tokens')
        .select((eb) => counts(eb).as('counts'))
        .where('tenant_id', '=', tenantId)
        .where('hash', '=', hashOfToken(value))
        .executeTakeFirst();
      if (row) return row.counts ? 'kept' : 'revoked';
    }
    await make(tx, tenantId, first ? 'first start' : 'start', (made) => file.write(made));
    return first ? 'made' : 'remade';
  });
}

/** As a person asks for it on the machine of the server, whatever state the file and the tokens are in. */
export async function remakeFolderToken(db: Db, tenantId: string, file: TokenFile): Promise<void> {
  await locked(db, (tx) => make(tx, tenantId, 'the machine of the server', (value) => file.write(value)));
}

async function locked<T>(db: Db, act: (tx: Transaction<DB>) => Promise<T>): Promise<T> {
  return transact(db, 'data-folder-token', async (tx) => {
    await sql`select pg_advisory_xact_lock(${lockNumber})`.execute(tx);
    return act(tx);
  });
}

async function hasTokens(tx: Transaction<DB>, tenantId: string): Promise<boolean> {
  const row = await tx
    .selectFrom('tokens')
    .select('id')
    .where('tenant_id', '=', tenantId)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/**
 * The one before is revoked with it. The file is written before the commit: a death in between leaves a file whose
 * value counts for nothing, which the next start makes anew, and no token whose value is lost.
 */
async function make(
  tx: Transaction<DB>,
  tenantId: string,
  actor: string,
  writeFile: (value: string) => Promise<void>,
): Promise<void> {
  const before = await tx
    .updateTable('tokens')
    .set({ revoked_at: sql`now()` })
    .where('tenant_id', '=', tenantId)
    .where('in_data_folder', '=', true)
    .where('revoked_at', 'is', null)
    .returning('id')
    .execute();
  const revoked = before.map(({ id }) => id);
  await tellRevoked({ tx }, revoked);
  const value = newTokenValue();
  const id = uuid();
  await tx
    .insertInto('tokens')
    .values({
      id,
      tenant_id: tenantId,
      name: dataFolderTokenName,
      hash: hashOfToken(value),
      created_by: actor,
      in_data_folder: true,
    })
    .execute();
  const action = actor === 'first start' ? 'token-create' : 'token-remake';
  const detail = { tokenId: id, name: dataFolderTokenName, ...(revoked.length > 0 && { revoked }) };
  await tx.insertInto('audit').values(toAuditRow({ tenantId, actor, action, detail })).execute();
  await writeFile(value);
}
