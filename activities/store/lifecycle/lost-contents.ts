// Whether what rows say lies beside them does lie there: after a restored backup of one of the two, or a death in the
// middle of a removal, it may not. Documents of runs are written anew; of the rest it can only be said what is lost.
import { sql } from 'kysely';
import type { Db } from '../db/database.ts';
import { type Contents, unnamed } from '../log/contents.ts';

export interface LargeContent {
  tenantId: string;
  key: string;
}

// Beyond these the check would take longer than what it finds is worth; all of it is still looked for when it is read.
const mostChecked = 10_000;
// Requests to a bucket side by side.
const atOnce = 8;

/** What lies beside its row and is named, the newest. */
export async function listLarge(db: Db): Promise<LargeContent[]> {
  const { rows } = await sql<LargeContent>`
    select tenant_id as "tenantId", key from contents content
    where body is null and not (${unnamed})
    order by created_at desc limit ${mostChecked}`.execute(db);
  return rows;
}

/** Those that are not there, taken off the front of the list until it is empty or time is up. */
export async function findLost(
  contents: Contents,
  list: LargeContent[],
  until: number,
): Promise<LargeContent[]> {
  const lost: LargeContent[] = [];
  while (list.length > 0 && Date.now() < until) {
    const some = list.slice(0, atOnce);
    const there = await Promise.all(some.map(({ tenantId, key }) => contents.has(tenantId, key)));
    lost.push(...some.filter((_, at) => !there[at]));
    // Only what was answered: an outage leaves the rest for the next time.
    list.splice(0, some.length);
  }
  return lost;
}

/** Runs that name a document which is not there, or of which there is no row, name none any more. Answers its keys. */
export async function forgetStates(db: Db, lost: readonly LargeContent[]): Promise<string[]> {
  const [tenants, keys] = [lost.map(({ tenantId }) => tenantId), lost.map(({ key }) => key)];
  const { rows } = await sql<{ key: string }>`
    with gone as (
      select id, state_hash from runs where state_hash is not null and (
        (tenant_id, state_hash) in (select * from unnest(${tenants}::uuid[], ${keys}::text[]))
        or not exists (
          select from contents where contents.tenant_id = runs.tenant_id and contents.key = runs.state_hash
        )
      )
    ), forgotten as (
      update runs set state_hash = null from gone where runs.id = gone.id
    ), unnamed as (
      delete from run_contents using gone where run_id = gone.id and content_key = gone.state_hash
    )
    select state_hash as key from gone`.execute(db);
  return rows.map(({ key }) => key);
}
