// What was told of something in the stream of its tenant goes with it: it has what people and models wrote.
import { sql } from 'kysely';
import { streamOf } from '../../../workflows/contracts/event.ts';
import type { Queries } from '../db/database.ts';
import { raiseFloors } from './fold-events.ts';

/** Also what waits to be told. In a transaction; returns how many bytes it was. */
export async function forgetTold(
  queries: Queries,
  tenantId: string,
  sources: readonly string[],
): Promise<number> {
  // Before its rows, as who feeds it does.
  await sql`select from stream_heads where stream = ${streamOf('tenant', tenantId)} for update`.execute(
    queries,
  );
  await queries
    .deleteFrom('outbox')
    .where('tenant_id', '=', tenantId)
    .where('source', 'in', sources)
    .execute();
  const { rows } = await sql<{ stream: string; seq: number; bytes: number }>`
    delete from events where source = any(${sources}::text[]) returning stream, seq, pg_column_size(events.*) as bytes`.execute(
    queries,
  );
  await raiseFloors(
    queries,
    rows.map((row) => ({ ...row, conversation_id: null, conversation_seq: null })),
  );
  return rows.reduce((sum, { bytes }) => sum + bytes, 0);
}
