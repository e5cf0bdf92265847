// The sweeps that are one deletion each: what nothing refers to once it is old.
import { type RawBuilder, sql } from 'kysely';
import type { Queries } from '../db/database.ts';
import { type Amount, amountOf, batchRows, type Sweep, type Swept } from './sweep.ts';

/** Rows of a table by their place in it: a batch needs no key of its own. */
function sweepOf(table: string, old: (of: Swept) => RawBuilder<unknown>): Sweep {
  const name = sql.table(table);
  return {
    measure: (queries, of, most) =>
      measured(queries, sql`select old.* from ${name} old where ${old(of)}`, most),
    async batch(queries, of) {
      const { rows } = await sql<{ bytes: number }>`
        delete from ${name} gone where ctid = any(array(
          select ctid from ${name} old where ${old(of)} limit ${batchRows} for update skip locked
        )) returning pg_column_size(gone.*) as bytes`.execute(queries);
      return amountOf(rows);
    },
  };
}

async function measured(queries: Queries, rowsOf: RawBuilder<unknown>, most: number): Promise<Amount> {
  const { rows } =
    await sql<Amount>`select count(*) as rows, coalesce(sum(pg_column_size(counted.*)), 0)::bigint as bytes
    from (${rowsOf} limit ${most}) counted`.execute(queries);
  return rows[0] ?? { rows: 0, bytes: 0 };
}

export const sweepKeys = sweepOf(
  'idempotency_keys',
  ({ tenantId, before }) => sql`old.tenant_id = ${tenantId} and old.created_at < ${before}`,
);

export const sweepDeadLetters = sweepOf(
  'dead_letters',
  ({ tenantId, before }) => sql`old.tenant_id = ${tenantId} and old.resolved_at < ${before}`,
);

export const sweepAnswers = sweepOf(
  'remembered_answers',
  ({ tenantId, before }) =>
    sql`old.tenant_id = ${tenantId} and (old.expires_at < ${before} or old.forgotten_at < ${before})`,
);

// An executor whose death was not seen stops beating. While attempts of it are open, ending them needs its row.
export const sweepExecutors = sweepOf(
  'executors',
  ({
    tenantId,
    before,
  }) => sql`old.tenant_id = ${tenantId} and coalesce(old.ended_at, old.heartbeat_at) < ${before}
    and not exists (select from attempts open where open.executor_id = old.id and open.ended_at is null)`,
);

export const sweepPrunings = sweepOf(
  'prunings',
  ({ tenantId, before }) => sql`old.tenant_id = ${tenantId} and old.finished_at < ${before}`,
);

export const sweepOccurrences = sweepOf(
  'occurrences',
  ({ tenantId, before }) => sql`old.tenant_id = ${tenantId} and old.ended_at < ${before}`,
);

// The unique number of each event in the stream is looked for above the cursor alone: none is delivered again for that.
export const sweepDeliveries = sweepOf(
  'webhook_deliveries',
  ({ tenantId, before }) => sql`old.tenant_id = ${tenantId} and old.ended_at < ${before}
    and not exists (select from dead_letters where delivery_id = old.id and resolution is null)`,
);

/** The call no longer names its whole output, which then goes as content that nothing names. */
const withOutput = ({ tenantId, before }: Swept): RawBuilder<unknown> => sql`old.tenant_id = ${tenantId}
  and old.content_key is not null
  and exists (select from runs where runs.id = old.run_id and runs.ended_at < ${before})`;

export const sweepOutputs: Sweep = {
  // Its bytes are counted with the content.
  measure: async (queries, of, most) => ({
    ...(await measured(queries, sql`select 1 from calls old where ${withOutput(of)}`, most)),
    bytes: 0,
  }),
  async batch(queries, of) {
    const { rows } = await sql<{ bytes: number }>`
      update calls set content_key = null where (run_id, call_id) in (
        select old.run_id, old.call_id from calls old where ${withOutput(of)} limit ${batchRows}
      ) returning 0 as bytes`.execute(queries);
    return amountOf(rows);
  },
};
