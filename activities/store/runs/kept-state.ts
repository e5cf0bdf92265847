// Where the document of a run is, once it is written.
import type { Queries } from '../db/database.ts';
import type { RunRow } from './runs.ts';

export async function keptState(
  queries: Queries,
  { tenant_id: tenantId, state_hash: key }: RunRow,
): Promise<{ content: string; size: number } | null> {
  if (key === null) return null;
  const content = await queries
    .selectFrom('contents')
    .select(['key as content', 'size'])
    .where('tenant_id', '=', tenantId)
    .where('key', '=', key)
    .executeTakeFirst();
  return content ?? null;
}
