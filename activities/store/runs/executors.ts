// Executors: the live worker processes, each with what it takes to see whether it still lives.
import type { Selectable } from 'kysely';
import type { Db } from '../db/database.ts';
import type { Executors } from '../db/tables.ts';

export type ExecutorRow = Selectable<Executors>;

export interface NewExecutor {
  id: string;
  tenantId: string;
  host: string;
  pid: number;
  /** Kernel start time of the process: process ids are reused, this is not. */
  startedTicks: string;
  queues: string[];
  capacity: Record<string, number>;
}

export async function registerExecutor(db: Db, executor: NewExecutor): Promise<void> {
  await db
    .insertInto('executors')
    .values({
      id: executor.id,
      tenant_id: executor.tenantId,
      host: executor.host,
      pid: executor.pid,
      process_started: executor.startedTicks,
      queues: executor.queues,
      capacity: JSON.stringify(executor.capacity),
    })
    .execute();
}

/** False when the executor has been declared dead meanwhile: its process must stop. */
export async function beat(db: Db, id: string): Promise<boolean> {
  const beaten = await db
    .updateTable('executors')
    .set({ heartbeat_at: new Date() })
    .where('id', '=', id)
    .where('ended_at', 'is', null)
    .executeTakeFirst();
  return beaten.numUpdatedRows === 1n;
}

export async function endExecutor(db: Db, id: string): Promise<void> {
  await db
    .updateTable('executors')
    .set({ ended_at: new Date() })
    .where('id', '=', id)
    .where('ended_at', 'is', null)
    .execute();
}

/** Executors of this host that are not declared ended. */
export async function liveExecutorsOn(db: Db, host: string): Promise<ExecutorRow[]> {
  return db
    .selectFrom('executors')
    .selectAll()
    .where('host', '=', host)
    .where('ended_at', 'is', null)
    .execute();
}

/** Executors that beat within the last moments, on any host. */
export async function countBeating(db: Db, withinMs: number): Promise<number> {
  const row = await db
    .selectFrom('executors')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('ended_at', 'is', null)
    .where('heartbeat_at', '>', new Date(Date.now() - withinMs))
    .executeTakeFirstOrThrow();
  return row.count;
}
