// The registry of executors as tasks are handed to them: our live workers, and agents of others that register themselves. Who
// writes one holds the dispatcher's lock.
import { type Selectable, sql } from 'kysely';
import { v7 as uuid } from 'uuid';
import type { ExecutorView } from '../../../workflows/contracts/executor.ts';
import { Failure } from '../../../workflows/contracts/failures.ts';
import type { Candidate } from '../../../workflows/tasks/route.ts';
import type { Queries } from '../db/database.ts';
import type { Executors } from '../db/tables.ts';
import type { Write } from '../log/events.ts';
import { isApart, silentFrom } from '../runs/executors.ts';
import { taskOf, type TaskRow } from './task-row.ts';
import { loseClaim, releaseTask } from './write-task.ts';

export type Registered = Selectable<Executors> & {
  load: number;
  /** After so long without another heartbeat it is taken for gone; below zero, it is. */
  silentInMs: number;
};

interface ExecutorList {
  tenantId: string;
  limit?: number;
  after?: string;
  kind?: 'worker' | 'agent';
  id?: string;
  /** The clock of Postgres unless it is given. */
  at?: Date;
}

/** Those that have not ended, by id, with what they have at work. */
export async function listRegistered(queries: Queries, list: ExecutorList): Promise<Registered[]> {
  const { tenantId, limit = null, after, kind, id, at } = list;
  const now = at ? sql`${at}::timestamptz` : sql`now()`;
  const { rows } = await sql<Registered>`select executor.*, (
      select count(*) from tasks where executor_id = executor.id and status = 'in_progress'
    )::integer as load, (extract(epoch from ${silentFrom('executor')} - ${now}) * 1000)::float8 as "silentInMs"
    from executors executor
    where tenant_id = ${tenantId} and ended_at is null
      ${after === undefined ? sql`` : sql`and id > ${after}`}
      ${kind === undefined ? sql`` : sql`and kind = ${kind}`}
      ${id === undefined ? sql`` : sql`and id = ${id}`}
    order by id limit ${limit}`.execute(queries);
  return rows;
}

function stateOf(row: Registered): ExecutorView['state'] {
  if (row.ended_at !== null || row.silentInMs < 0) return 'offline';
  if (row.draining) return 'draining';
  return row.load > 0 ? 'busy' : 'available';
}

export function toCandidate(row: Registered): Candidate {
  const { id, name, capabilities, load, places } = row;
  return { id, name, capabilities, load, places, state: stateOf(row), apart: isApart(row) };
}

export function toExecutorView(row: Registered): ExecutorView {
  return {
    id: row.id,
    kind: row.kind as ExecutorView['kind'],
    name: row.name,
    host: row.host,
    state: stateOf(row),
    capabilities: row.capabilities,
    sandboxes: row.sandboxes,
    load: row.load,
    places: row.places,
    codeVersion: row.code_version,
    ttlSeconds: row.ttl_seconds,
    startedAt: row.started_at.toISOString(),
    heartbeatAt: row.heartbeat_at.toISOString(),
  };
}

// As workers beat.
const heard = { heartbeat_at: sql<Date>`now()` };

export interface Offer {
  name: string;
  capabilities: string[];
  places: number;
  ttlSeconds: number;
}

/** The same name again is the same agent, come back with what it offers now. */
export async function registerAgent(write: Write, tenantId: string, offer: Offer): Promise<Registered> {
  const offers = {
    capabilities: [...new Set(offer.capabilities)],
    places: offer.places,
    ttl_seconds: offer.ttlSeconds,
    draining: false,
    ...heard,
  };
  await reapSilent(write, tenantId);
  const known = await write.tx
    .updateTable('executors')
    .set(offers)
    .where('tenant_id', '=', tenantId)
    .where('kind', '=', 'agent')
    .where('name', '=', offer.name)
    .where('ended_at', 'is', null)
    .returning('id')
    .executeTakeFirst();
  const id = known?.id ?? uuid();
  if (!known)
    await write.tx
      .insertInto('executors')
      .values({
        ...offers,
        id,
        tenant_id: tenantId,
        kind: 'agent',
        name: offer.name,
        // Its process is out of sight.
        ...{ host: '', pid: 0, process_started: '', queues: [], capacity: '{}' },
      })
      .execute();
  return theAgent(write, tenantId, id);
}

/** Refused where it is gone: it must register again, and what it held is not its own any more. */
export async function theAgent(write: Write, tenantId: string, id: string): Promise<Registered> {
  const [row] = await listRegistered(write.tx, { tenantId, id, kind: 'agent' });
  if (row && row.silentInMs >= 0) return row;
  const detail = `Executor ${id} is not registered: it deregistered, or was silent for longer than its ttlSeconds. What it held was taken back; register it again.`;
  throw new Failure('ExecutorGone', detail);
}

export async function beatAgent(
  write: Write,
  tenantId: string,
  id: string,
  draining: boolean | undefined,
): Promise<{ agent: Registered; holds: TaskRow[] }> {
  await theAgent(write, tenantId, id);
  await write.tx
    .updateTable('executors')
    .set({ ...heard, ...(draining !== undefined && { draining }) })
    .where('id', '=', id)
    .execute();
  return { agent: await theAgent(write, tenantId, id), holds: await heldBy(write, id) };
}

async function heldBy({ tx }: Write, id: string): Promise<TaskRow[]> {
  const rows = await tx
    .selectFrom('tasks')
    .selectAll()
    .where('executor_id', '=', id)
    .where('status', '=', 'in_progress')
    .orderBy('id')
    .execute();
  return rows.map(taskOf);
}

/** By its own will: what it has goes back, and no attempt has failed. */
export async function deregisterAgent(write: Write, tenantId: string, id: string): Promise<void> {
  const agent = await theAgent(write, tenantId, id);
  await endAgent(write, id, new Date());
  for (const task of await heldBy(write, id))
    await releaseTask(write, task, `Its executor ${agent.name} deregistered.`);
}

async function endAgent(write: Write, id: string, now: Date): Promise<void> {
  await write.tx
    .updateTable('executors')
    .set({ ended_at: now })
    .where('id', '=', id)
    .where('ended_at', 'is', null)
    .execute();
}

/**
 * Agents that were silent for longer than they said are gone, and what they held is taken back.
 */
export async function reapSilent(write: Write, tenantId: string, at?: Date): Promise<void> {
  const agents = await listRegistered(write.tx, { tenantId, kind: 'agent', ...(at && { at }) });
  const now = at ?? new Date();
  for (const { id, name, ttl_seconds: ttl } of agents.filter(({ silentInMs }) => silentInMs < 0)) {
    await endAgent(write, id, now);
    const reason = `Its executor ${name} was silent for more than ${ttl} s.`;
    for (const task of await heldBy(write, id)) await loseClaim(write, task, { reason, at: now });
  }
}
