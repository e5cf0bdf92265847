// Messages: what the model sees. A run's own rows, and behind them those of the runs it continues.
import { sql } from 'kysely';
import {
  type ProjectText,
  phases,
  type StoredMessage,
  type Summary,
} from '../../../workflows/contracts/message.ts';
import type { Queries } from '../db/database.ts';

// A chain this long has long been compacted; the bound keeps a broken parent link from walking for ever.
const longestChain = 10_000;

/** `chain`, for `with recursive`: the run and those it goes on from, by `id`. */
export function chainOf(tenantId: string, runId: string) {
  return sql`chain as (
    select id, parent_id, 0 as depth from runs where id = ${runId} and tenant_id = ${tenantId}
    union all
    select runs.id, runs.parent_id, chain.depth + 1 from runs join chain on runs.id = chain.parent_id
    where chain.depth < ${longestChain}
  )`;
}

interface Row {
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
  about: StoredMessage['about'] | null;
  parts: StoredMessage['parts'] | null;
}

/**
 * The run's context: the chain of its parents from the first on, each run's messages in order, then its own. The newest
 * summary comes first and ends the walk: what it stands for is left out. `at`: as it was when that step of the run asked.
 */
export async function readContext(
  queries: Queries,
  tenantId: string,
  runId: string,
  at?: number,
): Promise<StoredMessage[]> {
  const asked =
    at === undefined
      ? sql`true`
      : sql`(messages.run_id <> ${runId} or messages.step < ${at} or (messages.step = ${at} and phase = 0))`;
  const summary = sql`from messages where messages.run_id = runs.id and about->>'kind' = 'summary' and ${asked}
    order by step desc, position desc limit 1`;
  const { rows } = await sql<Row>`
    with recursive chain as (
      select id, parent_id, 0 as depth, newest.at as summary, newest.covers
      from runs left join lateral (select (run_id, step, phase, position) as at, about->'covers' as covers ${summary}) newest on true
      where id = ${runId} and tenant_id = ${tenantId}
      union all
      select runs.id, runs.parent_id, chain.depth + 1, coalesce(chain.summary, newest.at), coalesce(chain.covers, newest.covers)
      from chain join runs on runs.id = chain.parent_id
      left join lateral (select (run_id, step, phase, position) as at, about->'covers' as covers ${summary}) newest
        on chain.covers is null
      where chain.depth < ${longestChain} and chain.id::text is distinct from chain.covers->>'runId'
    ), walked as (
      select summary, covers->>'runId' as run, (covers->>'step')::integer as step
      from chain order by depth desc limit 1
    )
    select run_id, messages.step, phase, position, role, internal, text, calls, call_id, failed, kept, about, parts
    from messages join chain on chain.id = messages.run_id cross join walked
    where ${asked} and case
      when about->>'kind' = 'summary' then (run_id, messages.step, phase, position) = walked.summary
      when chain.id::text = walked.run then messages.step > walked.step
      else true end
    order by coalesce(about->>'kind' = 'summary', false) desc, chain.depth desc, messages.step, phase, position`.execute(
    queries,
  );
  return rows.map(toStored);
}

function toStored(row: Row): StoredMessage {
  return {
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
    ...(row.about !== null && { about: row.about }),
    ...(row.parts !== null && { parts: row.parts }),
  };
}

/** A run's own messages, those for its model alone among them. */
export async function ownMessages(
  queries: Queries,
  runId: string,
  { limit, offset }: { limit: number; offset: number },
): Promise<StoredMessage[]> {
  const { rows } = await sql<Row>`
    select run_id, step, phase, position, role, internal, text, calls, call_id, failed, kept, about, parts
    from messages where run_id = ${runId} order by step, phase, position limit ${limit} offset ${offset}`.execute(
    queries,
  );
  return rows.map(toStored);
}

/** Where the next message stands that a step is told at its start: behind those an attempt before has put there. */
export async function nextPosition(queries: Queries, runId: string, step: number): Promise<number> {
  const last = await queries
    .selectFrom('messages')
    .select((eb) => eb.fn.max('position').as('position'))
    .where('run_id', '=', runId)
    .where('step', '=', step)
    .where('phase', '=', phases.indexOf('input'))
    .executeTakeFirst();
  return (last?.position ?? -1) + 1;
}

/** Behind what the step was told at its start; where it is sent, it comes first. */
export async function addSummary(
  queries: Queries,
  { id, tenant_id }: { id: string; tenant_id: string },
  { step, text, about }: { step: number; text: string; about: Summary },
): Promise<void> {
  await queries
    .insertInto('messages')
    .values({
      ...{ run_id: id, tenant_id, step, text, role: 'user', internal: true },
      phase: phases.indexOf('input'),
      position: await nextPosition(queries, id, step),
      about: JSON.stringify(about),
    })
    .execute();
}

export interface ProjectMessage {
  text: string;
  about: ProjectText;
}

/** Before the task of the run, once: what it was told first stays. */
export async function addProjectText(
  queries: Queries,
  { id, tenant_id }: { id: string; tenant_id: string },
  { text, about }: ProjectMessage,
): Promise<void> {
  await queries
    .insertInto('messages')
    .values({
      ...{ run_id: id, tenant_id, step: 0, text, role: 'user', internal: true },
      phase: phases.indexOf('input'),
      position: -1,
      about: JSON.stringify(about),
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}
