// Runs whose executor has gone quiet: they say so, and wait for it as long as they may.
import { sql } from 'kysely';
import type { Db } from '../db/database.ts';
import type { Write } from '../log/events.ts';
import { silentFrom } from './executors.ts';
import { lockRun, type RunRow, streamFor } from './runs.ts';

export interface Unheard {
  run: Pick<RunRow, 'id' | 'tenant_id'>;
  executor: string;
  /** Null: it lives. */
  silentSince: Date | null;
  /** The run is to be told that nothing is to be waited for any more. */
  isGivenUp: boolean;
}

/**
 * What of runs with an executor is not as it is written: the executor has gone quiet or is back, or the run's patience
 * is at its end. A run that waits for people or subagents needs no executor meanwhile, and may wait for one that sleeps.
 */
export async function listUnheard(db: Db, limit: number): Promise<Unheard[]> {
  const { rows } = await sql<{
    id: string;
    tenant_id: string;
    executor: string;
    since: Date | null;
    given_up: boolean;
  }>`
    select id, tenant_id, executor, since, coalesce(executor_until <= now(), false) as given_up from (
      select run.id, run.tenant_id, run.executor, run.executor_until, run.executor_silent_at,
        case when run.status <> 'running' or last.lives then null
          else coalesce(last.heard_at, run.started_at, run.created_at) end as since
      from runs run, lateral (
        select max(heartbeat_at) as heard_at, coalesce(bool_or(ended_at is null
          and ${silentFrom('executors')} > now()), false) as lives
        from executors where tenant_id = run.tenant_id and name = run.executor and kind = 'worker'
      ) last
      where run.executor is not null and run.ended_at is null
    ) seen
    where (since is null) <> (executor_silent_at is null) or (since is not null and executor_until <= now())
    order by id limit ${limit}`.execute(db);
  return rows.map(({ id, tenant_id, executor, since, given_up: isGivenUp }) => ({
    run: { id, tenant_id },
    executor,
    silentSince: since,
    isGivenUp: isGivenUp && since !== null,
  }));
}

/** The same to a second caller. `patienceSeconds`: from now on. */
export async function noteUnheard(
  write: Write,
  { run: { id, tenant_id: tenantId }, executor, silentSince }: Unheard,
  patienceSeconds: number,
): Promise<void> {
  const run = await lockRun(write, tenantId, id);
  if (!run || run.ended_at !== null || (run.executor_silent_at === null) === (silentSince === null)) return;
  const until = silentSince && new Date(Date.now() + patienceSeconds * 1000);
  await write.tx
    .updateTable('runs')
    .set({ executor_silent_at: silentSince, executor_until: until })
    .where('id', '=', id)
    .execute();
  if (silentSince && until) {
    const payload = { executor, since: silentSince.toISOString(), until: until.toISOString() };
    write.append({ ...streamFor(run), events: [{ type: 'executor-silent', payload }] });
  } else if (run.status === 'running')
    write.append({ ...streamFor(run), events: [{ type: 'executor-back', payload: { executor } }] });
}
