// Deletes tasks that have ended, with their claims and events. One that an open task depends on stays, and so does one
// that can be tried again by its dead letter.
import { sql } from 'kysely';
import { forgetTold } from './forget-told.ts';
import { type Amount, amountOf, type Sweep, type Swept } from './sweep.ts';
import { isUntold } from './untold.ts';

// With the events of each, about as much as a batch of other rows; who changes tasks waits for as long.
const mostTasks = 200;

const old = ({ tenantId, before }: Swept) => sql`old.tenant_id = ${tenantId} and old.ended_at < ${before}
  and old.id not in (select unnest(depends_on) from tasks where tenant_id = ${tenantId} and ended_at is null)
  and not exists (select from dead_letters where task_id = old.id and resolution is null)
  and not ${isUntold(sql`old.tenant_id`, sql`'task/' || old.id`)}`;

export const sweepTasks: Sweep = {
  async measure(queries, of, most) {
    const { rows } = await sql<Amount>`
      select count(*) as rows, coalesce(sum(pg_column_size(counted.*) + (
          select coalesce(sum(pg_column_size(event.*)), 0) from events event where stream = 'task/' || counted.id
        )), 0)::bigint as bytes
      from (select old.* from tasks old where ${old(of)} limit ${most}) counted`.execute(queries);
    return rows[0] ?? { rows: 0, bytes: 0 };
  },
  async batch(queries, of) {
    // Nothing begins to depend on one meanwhile.
    await sql`select from dispatchers where id = ${of.tenantId} for no key update`.execute(queries);
    const { rows } = await sql<{ stream: string; bytes: number }>`
      with gone as (
        delete from tasks where id = any(array(select id from tasks old where ${old(of)} limit ${mostTasks}))
        returning 'task/' || id as stream, pg_column_size(tasks.*) as bytes
      ), told as (
        delete from events using gone where events.stream = gone.stream
        returning gone.stream, pg_column_size(events.*) as bytes
      ), heads as (
        delete from stream_heads using gone where stream_heads.stream = gone.stream
      )
      select stream, bytes + (select coalesce(sum(bytes), 0) from told where told.stream = gone.stream) as bytes
      from gone`.execute(queries);
    const streams = rows.map(({ stream }) => stream);
    const told = streams.length === 0 ? 0 : await forgetTold(queries, of.tenantId, streams);
    const amount = amountOf(rows, mostTasks);
    return { ...amount, bytes: amount.bytes + told };
  },
};
