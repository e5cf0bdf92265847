// The ledger: each due time of a schedule, with what became of it.
import { type Selectable, sql } from 'kysely';
import { type NewEvent, streamOf } from '../../../workflows/contracts/event.ts';
import type { Outcome, OccurrenceView } from '../../../workflows/contracts/schedule.ts';
import type { RunStatus } from '../../../workflows/contracts/run.ts';
import { isTerminal } from '../../../workflows/run/transitions.ts';
import type { Db, Queries } from '../db/database.ts';
import type { Occurrences } from '../db/tables.ts';
import { type EndedRun, endUnstarted } from '../lifecycle/end-run.ts';
import type { Write } from '../log/events.ts';
import { addInput } from '../runs/inputs.ts';
import { lockRunAndConversation, type RunRow } from '../runs/runs.ts';

export type OccurrenceRow = Selectable<Occurrences>;

const message = /^schedule\/(.+)\/\d+$/;

/** The id of the message that an attempt of an occurrence sends: sent twice, it is one run. */
export function scheduledMessage(id: string, attempt: number): string {
  return `schedule/${id}/${attempt}`;
}

/** Whose run it is, by that; undefined for any other run. */
export function occurrenceOfRun({ message_id: id }: Pick<RunRow, 'message_id'>): string | undefined {
  return message.exec(id)?.[1];
}

/** Those that have not ended, first the one that others wait for. */
export async function openOf(queries: Queries, scheduleId: string): Promise<OccurrenceRow[]> {
  return queries
    .selectFrom('occurrences')
    .selectAll()
    .where('schedule_id', '=', scheduleId)
    .where('ended_at', 'is', null)
    .orderBy(sql`outcome = 'running'`, 'desc')
    .orderBy('due_at')
    .orderBy('id')
    .execute();
}

export async function findOccurrence(queries: Queries, id: string): Promise<OccurrenceRow | undefined> {
  return queries.selectFrom('occurrences').selectAll().where('id', '=', id).executeTakeFirst();
}

export type Change = Partial<
  Pick<OccurrenceRow, 'attempts' | 'run_id' | 'job' | 'again_at' | 'started_at' | 'stuck'>
> & {
  outcome: Outcome;
  reason: string | null;
};

const ongoing: readonly Outcome[] = ['waiting', 'running'];

/** The caller holds the schedule's lock. */
export async function setOutcome(write: Write, id: string, change: Change): Promise<OccurrenceRow> {
  const { schedule, ...row } = await write.tx
    .updateTable('occurrences')
    .set({ ...change, ...(!ongoing.includes(change.outcome) && { ended_at: new Date(), stuck: null }) })
    .where('id', '=', id)
    .returningAll()
    .returning(sql<string>`(select name from schedules where id = schedule_id)`.as('schedule'))
    .executeTakeFirstOrThrow();
  tellOccurrence(write, row, schedule);
  return row;
}

/** That an attempt has begun, or what became of it; that it waits is told by neither. Under the schedule's lock. */
export function tellOccurrence(write: Write, row: OccurrenceRow, schedule: string): void {
  const outcome = row.outcome as Outcome;
  if (outcome === 'waiting') return;
  const of = {
    scheduleId: row.schedule_id,
    schedule,
    occurrenceId: row.id,
    dueAt: row.due_at.toISOString(),
  };
  const { reason, attempts, run_id: runId } = row;
  const event: NewEvent | undefined =
    outcome !== 'running'
      ? { type: 'occurrence-end', payload: { ...of, outcome, reason, runId, attempts } }
      : runId === null
        ? undefined
        : { type: 'occurrence-start', payload: { ...of, runId, attempt: attempts } };
  const source = streamOf('schedule', row.schedule_id);
  if (event) write.tell({ tenantId: row.tenant_id, source, events: [event] });
}

/** It ended, or its run was told to stop, which may have ended at once. */
export interface Cancelled {
  occurrenceId: string;
  run?: { id: string; ended: EndedRun | undefined };
}

/** How one ends that had no run at work when the next was due. */
export const replaced = 'The next due time took its place.';

/** Makes room for the next. One without a run ends here; else its run is told to stop. */
export async function cancelOpen(write: Write, row: OccurrenceRow): Promise<Cancelled | undefined> {
  if (row.outcome === 'waiting') {
    const outcome = row.attempts === 0 ? 'skipped' : 'failed';
    await setOutcome(write, row.id, { outcome, reason: replaced });
    return { occurrenceId: row.id };
  }
  const run = row.run_id && (await lockRunAndConversation(write, row.tenant_id, row.run_id));
  if (!run || isTerminal(run.status as RunStatus)) return undefined;
  const messageId = `cancelled-for-the-next-${row.id}`;
  await addInput(write, run, { kind: 'cancel', messageId, text: '', by: 'the schedule' });
  return { occurrenceId: row.id, run: { id: run.id, ended: await endUnstarted(write, run, 'cancel') } };
}

export interface OccurrenceList {
  tenantId: string;
  scheduleId: string;
  limit: number;
  before?: { at: Date; id: string };
  outcome?: Outcome;
}

/** Latest due time first. */
export async function listOccurrences(
  db: Db,
  { tenantId, scheduleId, limit, before, outcome }: OccurrenceList,
): Promise<OccurrenceRow[]> {
  let query = db
    .selectFrom('occurrences')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('schedule_id', '=', scheduleId)
    .orderBy('due_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit);
  if (before) {
    query = query.where((eb) =>
      eb.or([eb('due_at', '<', before.at), eb.and([eb('due_at', '=', before.at), eb('id', '<', before.id)])]),
    );
  }
  if (outcome) query = query.where('outcome', '=', outcome);
  return query.execute();
}

export function toOccurrenceView(row: OccurrenceRow): OccurrenceView {
  return {
    id: row.id,
    dueAt: row.due_at.toISOString(),
    byHand: row.by_hand,
    outcome: row.outcome as Outcome,
    reason: row.stuck ?? row.reason,
    attempts: row.attempts,
    runId: row.run_id,
    startedAt: row.started_at?.toISOString() ?? null,
    endedAt: row.ended_at?.toISOString() ?? null,
  };
}

/** What its latest runs cost, those that have ended, newest first. */
export async function latestCosts(
  db: Db,
  tenantId: string,
  scheduleId: string,
  most: number,
): Promise<number[]> {
  const rows = await db
    .selectFrom('occurrences')
    .innerJoin('runs', 'runs.id', 'occurrences.run_id')
    .select('runs.cost_micros')
    .where('occurrences.schedule_id', '=', scheduleId)
    .where('occurrences.tenant_id', '=', tenantId)
    .where('runs.ended_at', 'is not', null)
    .orderBy('occurrences.due_at', 'desc')
    .limit(most)
    .execute();
  return rows.map((row) => row.cost_micros);
}
