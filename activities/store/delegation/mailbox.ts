// The mailbox of a conversation: what those subagents have reported that no call waits for. A report that its main run
// was not told of waits here for a continuation, which takes all of them at once, under the lock of the conversation.
import { type RawBuilder, sql } from 'kysely';
import { mostInAll, mostWakeUps } from '../../../workflows/contracts/delegation.ts';
import type { MailboxItem } from '../../../workflows/contracts/mailbox.ts';
import { listedCharacters } from '../../../workflows/contracts/message-view.ts';
import { activeStatuses } from '../../../workflows/run/transitions.ts';
import { mostBytes } from '../calls/cut-output.ts';
import type { Queries } from '../db/database.ts';
import type { Write } from '../log/events.ts';
import type { RunRow } from '../runs/runs.ts';
import { addNote, type Keep, type Report, tellReports, toText } from './reports.ts';

/** As the calls of a run stand: `2.10` behind `2.9`. */
const callOrder = sql`string_to_array(delegations.call_id, '.')::int[]`;

export interface MailboxList {
  tenantId: string;
  conversationId: string;
  limit: number;
  /** The call of the last item of the page before. */
  after?: { runId: string; callId: string };
  pending?: boolean;
}

/** In the order of their calls. */
export async function listMailbox(queries: Queries, list: MailboxList): Promise<MailboxItem[]> {
  let query = queries
    .selectFrom('delegations')
    .innerJoin('runs', 'runs.id', 'delegations.child_id')
    .selectAll('delegations')
    .select(['runs.status', 'runs.reason'])
    .select(sql<string | null>`left(runs.final_message, ${listedCharacters})`.as('text'))
    .where('delegations.tenant_id', '=', list.tenantId)
    .where('delegations.conversation_id', '=', list.conversationId)
    .where('delegations.async', '=', true)
    .where('delegations.state', '<>', 'working')
    .where(isTop)
    .orderBy('delegations.parent_id')
    .orderBy(callOrder)
    .limit(list.limit);
  if (list.pending !== undefined)
    query = query.where('delegations.state', list.pending ? 'in' : 'not in', ['reported', 'posted']);
  if (list.after) {
    const { runId, callId } = list.after;
    query = query.where(
      sql<boolean>`(delegations.parent_id, ${callOrder}) > (${runId}::uuid, string_to_array(${callId}, '.')::int[])`,
    );
  }
  return (await query.execute()).map((row) => ({
    runId: row.child_id,
    name: row.name,
    fromRunId: row.parent_id,
    callId: row.call_id,
    status: row.status as MailboxItem['status'],
    reason: row.reason as MailboxItem['reason'],
    text: row.text,
    state: row.state === 'delivered' || row.state === 'late' ? row.state : 'pending',
    late: row.state === 'late' || row.missed,
    deliveredTo: row.state === 'delivered' ? row.delivered_to : null,
    reportedAt: row.reported_at?.toISOString() ?? null,
  }));
}

/** Those of a main run. What is asked for further down is reported further down. */
const isTop = sql<boolean>`cardinality(delegations.ancestors) = 1`;

/** What a continuation was told, and what it was not. */
export interface Drained {
  told: number;
  /** Wait still: more than one continuation takes. */
  left: number;
  working: number;
}

// Reports may fill a quarter of the model's window, at three bytes a token: they cannot be summed up before the run's first
// answer, and instructions, tools and what was said before come beside them.
const reportBytesPerToken = 3 / 4;

export interface Draining {
  keep: Keep;
  /** How many tokens a model takes. */
  windowOf(model: string): number;
  /** The time to wait for those at work is over, and what they report is late. */
  over?: boolean;
}

/**
 * Tells a run that was just accepted, in this transaction, what its conversation's mailbox holds, in the order of the
 * calls, as much as its model can take, and who is still at work.
 */
export async function drainMailbox(
  write: Write,
  run: RunRow,
  { keep, windowOf, over = false }: Draining,
): Promise<Drained> {
  const waiting: (Report & { all: number })[] = await write.tx
    .selectFrom('delegations')
    .innerJoin('runs', 'runs.id', 'delegations.child_id')
    .selectAll('delegations')
    .select(['runs.status', 'runs.reason', 'runs.reason_text', 'runs.final_message'])
    .select(sql<number>`count(*) over ()`.as('all'))
    .where('delegations.conversation_id', '=', run.conversation_id)
    .where('delegations.state', '=', 'posted')
    .orderBy('delegations.parent_id')
    .orderBy(callOrder)
    .limit(mostInAll)
    .execute();
  const taken = fitting(waiting, windowOf(run.model) * reportBytesPerToken);
  await tellReports(write, run, { step: 0, reports: taken, textOf: toNote, keep });
  const working = await expectedOf(write.tx, run.conversation_id);
  const left = (waiting[0]?.all ?? 0) - taken.length;
  if (working.length > 0) {
    const names = working.map(({ name, call_id }) => `${name} (call ${call_id})`).join(', ');
    const why = over ? 'The time to wait for them is over. ' : '';
    await addNote(
      write,
      run,
      0,
      `These are partial results. Still at work: ${names}. ${why}What they report comes later.`,
    );
  }
  if (left > 0) await addNote(write, run, 0, `${left} more reports wait in the mailbox.`);
  // All may have reported before their time was over.
  if (over && working.length > 0)
    await write.tx
      .updateTable('delegations')
      .set({ missed: true })
      .where(
        'child_id',
        'in',
        working.map(({ child_id }) => child_id),
      )
      .execute();
  await write.tx
    .updateTable('conversations')
    .set({ wake_at: null, wake_refused_at: null })
    .where('id', '=', run.conversation_id)
    .execute();
  return { told: taken.length, left, working: working.length };
}

/** The first of these that take no more than so many bytes as they are told; one, however long, is always taken. */
function fitting(reports: readonly Report[], most: number): Report[] {
  let bytes = 0;
  const end = reports.findIndex((report, index) => {
    bytes += Math.min(Buffer.byteLength(toNote(report)), mostBytes);
    return index > 0 && bytes > most;
  });
  return end < 0 ? [...reports] : reports.slice(0, end);
}

function toNote(report: Report): string {
  return `Call ${report.call_id}${report.missed ? ', late' : ''}. ${toText(report)}`;
}

/** What a run was told at its begin beside its message, told to one that answers that message anew. */
export async function tellAgain({ tx }: Write, fromId: string, { id }: Pick<RunRow, 'id'>): Promise<void> {
  await sql`insert into messages (run_id, tenant_id, step, phase, position, role, internal, text)
    select ${id}::uuid, tenant_id, step, phase, position, role, internal, text from messages
    where run_id = ${fromId} and ${isToldAtBegin}`.execute(tx);
}

/** Messages that a run has beside its own from the begin on. */
const isToldAtBegin = sql<boolean>`step = 0 and phase = 0 and position > 0 and internal`;

/** Subagents at work that no main run waits for. */
async function expectedOf(queries: Queries, conversationId: string) {
  return queries
    .selectFrom('delegations')
    .innerJoin('runs as parent', 'parent.id', 'delegations.parent_id')
    .select(['child_id', 'delegations.name', 'call_id'])
    .where('delegations.conversation_id', '=', conversationId)
    .where('state', '=', 'working')
    .where('async', '=', true)
    .where('parent.ended_at', 'is not', null)
    .where(isTop)
    .orderBy('delegations.parent_id')
    .orderBy(callOrder)
    .execute();
}

/** The main run that was told last. */
export async function lastDrainOf(queries: Queries, conversationId: string): Promise<string | undefined> {
  const row = await queries
    .selectFrom('delegations')
    .select('delivered_to')
    .where('conversation_id', '=', conversationId)
    .where('state', '=', 'delivered')
    .where('async', '=', true)
    .where(isTop)
    .orderBy('delivered_to', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.delivered_to ?? undefined;
}

/**
 * A main run that leaves nothing to go on from gives back what it was told: the conversation goes on as if it had never
 * heard of it. What a cancelled run has asked for itself is not wanted any more. A run that answers its message anew and
 * was told the same at its begin keeps that.
 */
export async function giveBack(write: Write, ended: RunRow): Promise<void> {
  const notesOf = (id: RawBuilder<unknown>) => sql`(select array_agg(text order by position) from messages
    where run_id = ${id} and ${isToldAtBegin})`;
  await sql`update delegations set delivered_to = other.id
    from (select id from runs where conversation_id = ${ended.conversation_id} and ended_at is null
      and alternative_of = ${ended.alternative_of ?? ended.id} and ${notesOf(sql`runs.id`)} = ${notesOf(sql`${ended.id}`)}
      order by id limit 1) other
    where delivered_to = ${ended.id} and state = 'delivered' and async and parent_id <> ${ended.id}`.execute(
    write.tx,
  );
  const told = write.tx
    .updateTable('delegations')
    .set({ state: 'posted' })
    .where('delivered_to', '=', ended.id)
    .where('state', '=', 'delivered')
    .where('async', '=', true);
  await (ended.status === 'cancelled' ? told.where('parent_id', '<>', ended.id) : told).execute();
}

/** Whether reports that it was told wait again. */
export async function hasGivenBack(queries: Queries, runId: string): Promise<boolean> {
  const row = await queries
    .selectFrom('delegations')
    .select('child_id')
    .where('delivered_to', '=', runId)
    .where('state', '=', 'posted')
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Whether a main run may end while subagents are at work that no call waits for. */
export async function letsGo(queries: Queries, runId: string): Promise<boolean> {
  const row = await queries
    .selectFrom('runs')
    .innerJoin('conversations', 'conversations.id', 'runs.conversation_id')
    .select('runs.id')
    .where('runs.id', '=', runId)
    .where('runs.kind', '=', 'main')
    // What comes home at its end is to be all that its tree has changed.
    .where('runs.brings_home', '=', false)
    .where('wake_up', 'is not', null)
    .executeTakeFirst();
  return row !== undefined;
}

// An outage of a minute is not worth more tries.
const againAfterMs = 60_000;

export interface ToWake {
  id: string;
  tenantId: string;
  /** Its time is over. */
  over: boolean;
}

/**
 * Conversations that go on by themselves now: no main run is active, and the last subagent that was waited for has
 * ended, or the time for that is over. What was told to a run that came to nothing waits for people. `only`: that one,
 * with the run that was accepted just now to wake it.
 */
export async function listToWake(
  queries: Queries,
  limit: number,
  only?: { conversationId: string; accepted: string },
): Promise<ToWake[]> {
  const { rows } = await sql<ToWake>`
    with found as (
      select conversation_id as id from delegations where state = 'posted' and delivered_to is null
      union select id from conversations where wake_at <= now()
    )
    select conversations.id, tenant_id as "tenantId", over from conversations join found using (id)
    cross join lateral (
      select coalesce(wake_at <= now(), false) as over,
        exists (select from delegations
          where conversation_id = conversations.id and state = 'posted' and delivered_to is null) as fresh,
        exists (select from delegations join runs parent on parent.id = delegations.parent_id
          where delegations.conversation_id = conversations.id and state = 'working' and async
            and parent.ended_at is not null and ${isTop}) as working
    ) as seen
    where wake_up = 'auto' and archived_at is null and wake_ups < ${mostWakeUps + (only ? 1 : 0)}
      and (wake_refused_at is null or wake_refused_at < ${new Date(Date.now() - againAfterMs)})
      and (fresh and not working or over and (fresh or working))
      and (${only?.conversationId ?? null}::uuid is null or conversations.id = ${only?.conversationId ?? null}::uuid)
      and not exists (select from runs where conversation_id = conversations.id and kind = 'main'
        and status = any(${activeStatuses}::text[]) and id is distinct from ${only?.accepted ?? null}::uuid)
    order by 1 limit ${limit}`.execute(queries);
  return rows;
}

/** It is tried again in a while. */
export async function noteRefused(queries: Queries, conversationId: string): Promise<void> {
  await queries
    .updateTable('conversations')
    .set({ wake_refused_at: new Date() })
    .where('id', '=', conversationId)
    .execute();
}
