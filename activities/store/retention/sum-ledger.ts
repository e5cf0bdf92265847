// Sums the ledger by month. Only what is closed: a reservation whose close may still come, and all of a run whose
// account is open, stay entries. Totals are the same before and after, also of each pool.
import { type RawBuilder, sql } from 'kysely';
import { amountOf, type Amount, batchRows, type Sweep, type Swept } from './sweep.ts';

/** Whole months that ended before. A change of a limit is never summed. */
function closedEntries({ tenantId, before }: Swept, most: number): RawBuilder<unknown> {
  return sql`select entry.id from allowance_entries entry
    where entry.tenant_id = ${tenantId} and entry.kind in ('reserve', 'settle', 'refund')
      and entry.day < date_trunc('month', ${before}::timestamptz at time zone 'UTC')::date
      and not exists (
        select from allowance_runs account where account.run_id = entry.run_id and account.closed_at is null
      )
      and (entry.kind <> 'reserve' or exists (
        select from allowance_entries closing where closing.run_id = entry.run_id and closing.step = entry.step
          and closing.attempt = entry.attempt and closing.closes
      ))
      -- A close goes after its reservation, which would else be taken for open.
      and (entry.kind <> 'settle' or not exists (
        select from allowance_entries held where held.run_id = entry.run_id and held.step = entry.step
          and held.attempt = entry.attempt and held.closes = false
      ))
    limit ${most}`;
}

export const sumLedger: Sweep = {
  async measure(queries, of, most) {
    // Closes whose reservations are there go with them.
    const { tenantId, before } = of;
    const { rows } = await sql<Amount>`
      select count(*) as rows, coalesce(sum(bytes), 0)::bigint as bytes from (
        select pg_column_size(entry.*) as bytes from allowance_entries entry
        where entry.tenant_id = ${tenantId} and entry.kind in ('reserve', 'settle', 'refund')
          and entry.day < date_trunc('month', ${before}::timestamptz at time zone 'UTC')::date
          and not exists (
            select from allowance_runs account where account.run_id = entry.run_id and account.closed_at is null
          )
        limit ${most}
      ) old`.execute(queries);
    return rows[0] ?? { rows: 0, bytes: 0 };
  },
  async batch(queries, of) {
    const { rows } = await sql<{ bytes: number }>`
      with gone as (
        delete from allowance_entries where id in (${closedEntries(of, batchRows)})
        returning *, pg_column_size(allowance_entries.*) as bytes
      ),
      summed as (
        insert into allowance_months as month (tenant_id, month, model, project, allowances, calls, tokens, input_tokens,
          cached_input_tokens, output_tokens, cost_micros, estimated_cost_micros, possible_cost_micros, refunded_tokens)
        select gone.tenant_id, date_trunc('month', gone.day)::date, gone.model, coalesce(runs.project_path, ''),
          gone.allowances, count(*) filter (where gone.kind = 'settle'),
          coalesce(sum(gone.tokens) filter (where gone.kind = 'settle'), 0), sum(gone.input_tokens),
          sum(gone.cached_input_tokens), sum(gone.output_tokens), sum(gone.cost_micros),
          coalesce(sum(gone.cost_micros) filter (where gone.estimated or not booked.priced), 0),
          sum(gone.possible_cost_micros),
          coalesce(sum(gone.tokens) filter (where gone.kind = 'refund'), 0)
        from gone left join runs on runs.id = gone.run_id
        left join model_calls booked on booked.run_id = gone.run_id and booked.step = gone.step
          and booked.attempt = gone.attempt
        where gone.kind <> 'reserve'
        group by 1, 2, 3, 4, 5
        on conflict (tenant_id, month, model, project, allowances) do update set
          calls = month.calls + excluded.calls, tokens = month.tokens + excluded.tokens,
          input_tokens = month.input_tokens + excluded.input_tokens,
          cached_input_tokens = month.cached_input_tokens + excluded.cached_input_tokens,
          output_tokens = month.output_tokens + excluded.output_tokens,
          cost_micros = month.cost_micros + excluded.cost_micros,
          estimated_cost_micros = month.estimated_cost_micros + excluded.estimated_cost_micros,
          possible_cost_micros = month.possible_cost_micros + excluded.possible_cost_micros,
          refunded_tokens = month.refunded_tokens + excluded.refunded_tokens
      )
      select bytes from gone`.execute(queries);
    // What is left after a batch of reservations may be their closes.
    return { ...amountOf(rows), more: rows.length > 0 };
  },
};
