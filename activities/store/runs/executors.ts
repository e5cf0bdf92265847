// Executors: the live worker processes, each with what it takes to see whether it still lives.
import { type RawBuilder, type Selectable, sql } from 'kysely';
import { queueOn, taskQueues } from '../../../workflows/contracts/messages.ts';
import type { Db, Queries } from '../db/database.ts';
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
  /** The key of its data folder. */
  folder?: string;
  /** What it offers to tasks; a test may leave it out. */
  offers?: {
    name: string;
    capabilities: string[];
    sandboxes: string[];
    places: number;
    codeVersion: string;
  };
}

export async function registerExecutor(db: Db, { offers, ...executor }: NewExecutor): Promise<void> {
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
      folder: executor.folder ?? '',
      ...(offers && {
        name: offers.name,
        capabilities: offers.capabilities,
        sandboxes: offers.sandboxes,
        places: offers.places,
        code_version: offers.codeVersion,
      }),
    })
    .execute();
}

/**
 * False when its process must stop: it has been declared dead meanwhile, or, as after a long sleep, another machine has its
 * name by now and takes what is for it.
 */
export async function beat(db: Db, id: string): Promise<boolean> {
  const queueOfTools = sql`${`${taskQueues.tools}/`}::text || own.name`;
  const beaten = await sql`update executors own set heartbeat_at = now() where id = ${id} and ended_at is null
    and not exists (
      select from executors other where other.tenant_id = own.tenant_id and other.name = own.name and other.id > own.id
        and other.ended_at is null and (other.host, other.folder) <> (own.host, own.folder)
        and ${queueOfTools} = any(own.queues) and ${queueOfTools} = any(other.queues)
    )`.execute(db);
  return beaten.numAffectedRows === 1n;
}

/** From when on it counts as gone, by the clock of Postgres, by which all beat. `executor`: its row in the statement. */
export function silentFrom(executor: string): RawBuilder<Date> {
  return sql`(${sql.ref(`${executor}.heartbeat_at`)} + ${sql.ref(`${executor}.ttl_seconds`)} * interval '1 second')`;
}

/** It is stopping: it takes no more tasks, and ends what it has. */
export async function drainExecutor(db: Db, id: string): Promise<void> {
  await db.updateTable('executors').set({ draining: true }).where('id', '=', id).execute();
}

export async function endExecutor(db: Db, id: string): Promise<void> {
  await db
    .updateTable('executors')
    .set({ ended_at: new Date() })
    .where('id', '=', id)
    .where('ended_at', 'is', null)
    .execute();
}

/** Executors of this host and data folder that are not declared ended; rows from before folders had keys count as its own. */
export async function liveExecutorsOn(db: Db, host: string, folder: string): Promise<ExecutorRow[]> {
  return db
    .selectFrom('executors')
    .selectAll()
    .where('host', '=', host)
    .where('folder', 'in', ['', folder])
    .where('kind', '=', 'worker')
    .where('ended_at', 'is', null)
    .execute();
}

/** Those that beat within the last moments, of workers that take all that needs no certain machine. */
export async function countBeating(db: Db, withinMs: number): Promise<number> {
  const row = await db
    .selectFrom('executors')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('kind', '=', 'worker')
    .where('ended_at', 'is', null)
    .where('heartbeat_at', '>', new Date(Date.now() - withinMs))
    .where(sql<boolean>`not (${`${taskQueues.tools}/`} || name = any(queues))`)
    .executeTakeFirstOrThrow();
  return row.count;
}

/** Whether its machine is not the server's: it takes nothing that does not ask for it. */
export function isApart({ name, queues }: Pick<ExecutorRow, 'name' | 'queues'>): boolean {
  return queues.includes(queueOn(taskQueues.tools, name));
}

/** The newest worker of that name or id, whether it lives or not. */
export async function findWorker(
  queries: Queries,
  tenantId: string,
  nameOrId: string,
): Promise<ExecutorRow | undefined> {
  return queries
    .selectFrom('executors')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('kind', '=', 'worker')
    .where((eb) => eb.or([eb('name', '=', nameOrId), eb(sql`id::text`, '=', nameOrId)]))
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/** A live worker of that name with another data folder, or on another machine: its runs would go to either. */
export async function namesake(
  db: Db,
  { tenantId, name, folder, host }: { tenantId: string; name: string; folder: string; host: string },
): Promise<ExecutorRow | undefined> {
  const rows = await db
    .selectFrom('executors')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('kind', '=', 'worker')
    .where('name', '=', name)
    .where('ended_at', 'is', null)
    .where(sql<boolean>`${silentFrom('executors')} > now()`)
    .execute();
  return rows.find((row) => row.folder !== folder || row.host !== host);
}
