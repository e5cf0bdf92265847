// A tenant's dispatcher: the row of the workflow that hands its tasks out, and the lock of all that concerns tasks.
import { type Selectable, sql } from 'kysely';
import type { Db } from '../db/database.ts';
import { executionTable } from '../db/execution-table.ts';
import type { Dispatchers } from '../db/tables.ts';
import type { Write } from '../log/events.ts';
import { silentFrom } from '../runs/executors.ts';

export type DispatcherRow = Selectable<Dispatchers>;

/**
 * The first lock of any transaction that changes tasks, or what executors hold: before pools, conversations and runs. With it, one at
 * a time decides what becomes of a tenant's tasks. It is made with the tenant's first task or agent.
 */
export async function lockDispatcher({ tx }: Write, tenantId: string): Promise<DispatcherRow> {
  const look = () =>
    tx.selectFrom('dispatchers').selectAll().where('id', '=', tenantId).forNoKeyUpdate().executeTakeFirst();
  const known = await look();
  if (known) return known;
  await tx
    .insertInto('dispatchers')
    .values({ id: tenantId, tenant_id: tenantId })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const made = await look();
  if (!made) throw new Error(`The dispatcher of tenant ${tenantId} was made and is not there.`);
  return made;
}

/** The moment by the clock of Postgres. One execution hands out; undefined for any other, which is to end. */
export async function takeDispatcher(
  write: Write,
  { tenantId, generation, executionId }: { tenantId: string; generation: number; executionId: string },
): Promise<Date | undefined> {
  const row = await lockDispatcher(write, tenantId);
  if (row.generation !== generation) return undefined;
  if (row.execution_id !== null && row.execution_id !== executionId) return undefined;
  // Under the lock, as every change of a task: what is changed later is later than this.
  const { rows } = await sql<{ at: Date }>`update dispatchers set execution_id = ${executionId},
    looked_at = clock_timestamp() where id = ${tenantId} returning looked_at as at`.execute(write.tx);
  return rows[0]?.at;
}

/**
 * Whose tasks hold something that was not seen: a run that has ended, a task that waits for no reason, whose time has come
 * or that was changed since the last look, an agent that has fallen silent, a worker that has come since.
 */
export async function listUnseenTasks(db: Db, olderThanMs: number, limit: number): Promise<{ id: string }[]> {
  const before = sql`now() - make_interval(secs => ${olderThanMs / 1000})`;
  const { rows } = await sql<{ id: string }>`select id from dispatchers dispatcher
    where execution_id is not null and (
      exists (select from tasks left join runs on runs.id = tasks.run_id
        where tasks.tenant_id = dispatcher.tenant_id and tasks.status = 'in_progress' and runs.ended_at < ${before})
      or exists (select from tasks
        where tenant_id = dispatcher.tenant_id and status = 'pending' and updated_at < ${before}
          and (reason is null or updated_at > dispatcher.looked_at
            or (again_at < ${before} and again_at > dispatcher.looked_at)))
      or exists (select from executors join tasks on tasks.executor_id = executors.id and tasks.status = 'in_progress'
        where executors.tenant_id = dispatcher.tenant_id and executors.kind = 'agent' and executors.ended_at is null
          and ${silentFrom('executors')} < ${before})
      or exists (select from executors join tasks on tasks.tenant_id = executors.tenant_id and tasks.status = 'pending'
        where executors.tenant_id = dispatcher.tenant_id and executors.kind = 'worker' and executors.ended_at is null
          and executors.started_at > dispatcher.looked_at)
    ) limit ${limit}`.execute(db);
  return rows;
}

export const dispatcherTable = executionTable<DispatcherRow>('dispatchers');
