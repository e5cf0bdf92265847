// Messages: what the model sees. A run's own rows, and behind them those of the runs it continues.
import { sql } from 'kysely';
import { phases, type StoredMessage } from '../../../workflows/contracts/message.ts';
import type { Queries } from '../db/database.ts';

// A chain this long has long been compacted; the bound keeps a broken parent link from walking for ever.
const longestChain = 10_000;

/** The run's context: the chain of its parents from the first on, each run's messages in order, then its own. */
export async function readContext(
  queries: Queries,
  tenantId: string,
  runId: string,
): Promise<StoredMessage[]> {
  const { rows } = await sql<{
    run_id: string;
    step: number;
    phase: number;
    position: number;
    role: StoredMessage['role'];
    internal: boolean;
    text: string;
    calls: StoredMessage['calls'] | null;
    call_id: string | null;
    failed: boolean;
    kept: StoredMessage['kept'] | null;
  }>`
    with recursive chain as (
      select id, parent_id, 0 as depth from runs where id = ${runId} and tenant_id = ${tenantId}
      union all
      select runs.id, runs.parent_id, chain.depth + 1 from runs join chain on runs.id = chain.parent_id
      where chain.depth < ${longestChain}
    )
    select run_id, step, phase, position, role, internal, text, calls, call_id, failed, kept
    from messages join chain on chain.id = messages.run_id
    order by chain.depth desc, step, phase, position`.execute(queries);
  return rows.map((row) => ({
    runId: row.run_id,
    step: row.step,
    phase: phases[row.phase] ?? 'input',
    position: row.position,
    role: row.role,
    internal: row.internal,
    text: row.text,
    calls: row.calls ?? undefined,
    callId: row.call_id ?? undefined,
    failed: row.failed,
    ...(row.kept !== null && { kept: row.kept }),
  }));
}
