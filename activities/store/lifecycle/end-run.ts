// The end of a run: the only writer of terminal state. Everything that is open is closed in one transaction,
// and the next parked message of the conversation gets its turn.
import { type NewEvent, streamOf } from '../../../workflows/contracts/event.ts';
import { sql } from 'kysely';
import {
  type DeniedCalls,
  mostDeniedListed,
  type RunStatus,
  type StopReason,
} from '../../../workflows/contracts/run.ts';
import { activeStatuses, canBecome, isTerminal } from '../../../workflows/run/transitions.ts';
import { withdrawApprovals } from '../approvals/approvals.ts';
import { closeCall, type CallRow } from '../calls/calls.ts';
import type { Queries } from '../db/database.ts';
import type { Write } from '../log/events.ts';
import { fullFor, releasing, waitsFor } from '../allowances/run-places.ts';
import { type LockedRun, parentFor, type RunRow, streamFor } from '../runs/runs.ts';

export interface RunEnd {
  status: RunStatus;
  reason: StopReason;
  reasonText: string;
}

export interface EndedRun {
  /** False when the transition table refuses: it has ended already; that is recorded as late. */
  ended: boolean;
  run: RunRow;
  /** The run whose turn in the conversation has come. It still needs a place. */
  promoted?: RunRow;
  /** Runs wait for a place, which this end may have made free. */
  waiting: boolean;
}

/** Ends a run whose lock, and whose conversation's, the caller holds. After the commit comes `afterEnd`. */
export async function endRun(write: Write, run: LockedRun, end: RunEnd): Promise<EndedRun> {
  if (!canBecome(run.status as RunStatus, end.status)) {
    // Ending as it has ended is a retry whose first answer was lost, not a late end.
    if (isTerminal(run.status as RunStatus) && run.reason !== end.reason)
      await recordLate(write, run, { unit: 'run', attempt: 0 }, `ending as ${end.status}`);
    return { ended: false, run, waiting: false };
  }
  const open = await openOf(write.tx, run);
  const events: NewEvent[] = [
    ...(open.calls ? await closeCalls(write, run) : []),
    ...dropAnswers(run.fences),
    ...(run.waiting.length > 0 ? await refuseInputs(write, run) : []),
    ...(open.approvals ? await withdrawApprovals(write, run, 'the end of the run') : []),
  ];
  // A call that is closed here has no result for people.
  const finalMessage = open.lastWord || open.answer || null;
  const places = releasing(run);
  const { waiting, ...ended } = await write.tx
    .with('account', () => places.account)
    .with('places', () => places.places)
    .updateTable('runs')
    .set({
      status: end.status,
      reason: end.reason,
      reason_text: end.reasonText,
      parked: false,
      stuck: null,
      awaiting_since: null,
      final_message: finalMessage,
      denied_calls: JSON.stringify(open.denied),
      ended_at: new Date(),
    })
    .where('id', '=', run.id)
    .returningAll()
    .returning(places.waiting.as('waiting'))
    .executeTakeFirstOrThrow();
  events.push({
    type: 'run-end',
    payload: {
      final: true,
      status: end.status,
      reason: end.reason,
      reasonText: end.reasonText,
      steps: run.steps,
      usage: {
        inputTokens: run.input_tokens,
        cachedInputTokens: run.cached_input_tokens,
        outputTokens: run.output_tokens,
      },
      costMicros: run.cost_micros,
      ...(open.denied.count > 0 && { deniedCalls: open.denied }),
    },
  });
  write.append({
    tenantId: run.tenant_id,
    stream: streamOf('run', run.id),
    conversationId: run.conversation_id,
    events,
    dedupeKey: 'run-end',
    end: true,
  });
  const promoted = open.parked ? await promoteNext(write, ended) : undefined;
  return promoted ? { ended: true, run: ended, waiting, promoted } : { ended: true, run: ended, waiting };
}

const stops = {
  interrupt: { status: 'interrupted', text: 'Interrupted before it started.' },
  cancel: { status: 'cancelled', text: 'Cancelled before it started.' },
} as const;

/** Ends a run told to stop that no workflow has taken up, under the same locks. Undefined: one has; wake it. */
export async function endUnstarted(
  write: Write,
  run: LockedRun,
  stop: keyof typeof stops,
): Promise<EndedRun | undefined> {
  if (run.status !== 'queued' || run.execution_id !== null) return undefined;
  const { status, text } = stops[stop];
  return endRun(write, run, { status, reason: status, reasonText: text });
}

/** What the end of a run finds, in one look: nearly always there is nothing to close, to refuse or to promote. */
async function openOf(queries: Queries, run: RunRow) {
  return queries
    .selectNoFrom(({ exists, selectFrom, val }) => [
      exists(
        selectFrom('calls')
          .select(val(1).as('one'))
          .where('run_id', '=', run.id)
          .where('status', 'in', ['requested', 'running']),
      ).as('calls'),
      exists(
        selectFrom('approvals')
          .select(val(1).as('one'))
          .where('run_id', '=', run.id)
          .where('status', '=', 'open'),
      ).as('approvals'),
      exists(
        selectFrom('runs')
          .select(val(1).as('one'))
          .where('conversation_id', '=', run.conversation_id)
          .where('parked', '=', true)
          .where('status', '=', 'queued'),
      ).as('parked'),
      selectFrom('calls')
        .select('output')
        .where('run_id', '=', run.id)
        .where('step', '=', run.steps)
        .where('ends_run', '=', true)
        .where('status', '=', 'succeeded')
        .limit(1)
        .as('lastWord'),
      answerOf(run).as('answer'),
      deniedOf(run.id).as('denied'),
    ])
    .executeTakeFirstOrThrow();
}

/**
 * What the last step said, with the steps before that it continues. A continued step made no calls and has a note behind
 * it; what a person said in between is answered anew.
 */
function answerOf({ id, steps }: RunRow) {
  return sql<string | null>`(select nullif(string_agg(text, '' order by step), '') from messages
    where run_id = ${id} and phase = 1 and step <= ${steps} and step > coalesce((
      select max(case when phase = 0 then step - 1 else step end) from messages as ends
      where run_id = ${id} and step <= ${steps} and (
        (phase = 0 and role = 'user' and not internal)
        or (phase = 1 and step < ${steps} and (calls is not null or not exists (
          select from messages as notes
          where notes.run_id = ends.run_id and notes.step = ends.step and notes.phase = 2 and notes.role = 'user'
        )))
      )), 0))`;
}

/** Calls that were not made because policy or a person said no, or no answer came in time. */
function deniedOf(runId: string) {
  return sql<DeniedCalls>`(select jsonb_build_object('count', count(*), 'items', coalesce(jsonb_agg(
      jsonb_build_object('callId', call_id, 'tool', tool, 'subject', left(subject, 300), 'reason', left(case decision when 'deny' then reason else output end, 300))
      order by place) filter (where place <= ${mostDeniedListed}), '[]'))
    from (select *, row_number() over (order by step, index) as place from calls
      where run_id = ${runId} and status = 'denied') denied)`;
}

/** Gives every open call its one result. */
async function closeCalls(write: Write, run: RunRow): Promise<NewEvent[]> {
  const events: NewEvent[] = [];
  const open: CallRow[] = await write.tx
    .selectFrom('calls')
    .selectAll()
    .where('run_id', '=', run.id)
    .where('status', 'in', ['requested', 'running'])
    .orderBy('step')
    .orderBy('index')
    .execute();
  for (const call of open) {
    const unknown = call.status === 'running' && call.repeat !== 'safe';
    events.push(
      await closeCall(write, run, call, {
        status: unknown ? 'unknown' : 'stopped',
        output: unknown
          ? 'The run ended while this call was under way: nobody can tell whether it took effect.'
          : 'Stopped: the run ended before this call was made.',
        failed: true,
      }),
    );
  }
  return events;
}

/** Drops what a dead attempt streamed of an answer that was never finished. */
function dropAnswers(fences: LockedRun['fences']): NewEvent[] {
  return Object.keys(fences).flatMap((unit): NewEvent[] => {
    const [kind, step] = unit.split('/');
    if (kind !== 'model') return [];
    return [{ type: 'message-reset', payload: { step: Number(step), reason: 'The run ended first.' } }];
  });
}

async function refuseInputs(write: Write, run: RunRow): Promise<NewEvent[]> {
  const waiting = await write.tx
    .updateTable('inputs')
    .set((eb) => ({
      // A stop that was asked for has happened, whichever way the run ended.
      status: eb.case().when('kind', 'in', ['steer', 'settle']).then('refused').else('applied').end(),
      applied_at: new Date(),
    }))
    .where('run_id', '=', run.id)
    .where('status', '=', 'accepted')
    .returning(['kind', 'message_id'])
    .execute();
  return waiting
    .filter((input) => input.kind === 'steer')
    .map((input) => ({
      type: 'steer-response' as const,
      payload: {
        messageId: input.message_id,
        outcome: 'refused' as const,
        step: null,
        reason: 'The run ended before its next model call.',
      },
    }));
}

async function promoteNext(write: Write, ended: RunRow): Promise<RunRow | undefined> {
  if (ended.kind !== 'main') return undefined;
  const next = await write.tx
    .selectFrom('runs')
    .selectAll()
    .where('conversation_id', '=', ended.conversation_id)
    .where('parked', '=', true)
    .where('status', '=', 'queued')
    .orderBy('created_at')
    .orderBy('id')
    .limit(1)
    .forNoKeyUpdate()
    .executeTakeFirst();
  if (!next) return undefined;
  // An active run may already be there when a parked one was cancelled: the index would refuse a second.
  const busy = await write.tx
    .selectFrom('runs')
    .select('id')
    .where('conversation_id', '=', ended.conversation_id)
    .where('kind', '=', 'main')
    .where('parked', '=', false)
    .where('status', 'in', activeStatuses)
    .executeTakeFirst();
  if (busy) return undefined;
  const parentId = await parentFor(write.tx, ended.tenant_id, ended.conversation_id);
  // Before its turn, so that only other runs count as waiting.
  const full = await fullFor(write.tx, { id: next.id, tenantId: next.tenant_id });
  const promoted = await write.tx
    .updateTable('runs')
    .set({ parked: false, parent_id: parentId, reason_text: waitsFor(full) })
    .where('id', '=', next.id)
    .returningAll()
    .executeTakeFirstOrThrow();
  write.append({
    tenantId: next.tenant_id,
    stream: streamOf('run', next.id),
    conversationId: next.conversation_id,
    events: [{ type: 'run-ready', payload: { after: ended.id, parentId } }],
  });
  return promoted;
}

/** Notes a write that came too late and was refused. A closed stream cannot carry it: the tenant's does then. */
export async function recordLate(
  write: Write,
  run: RunRow,
  who: { unit: string; attempt: number },
  what: string,
): Promise<void> {
  const events: NewEvent[] = [
    { type: 'late-write', payload: { runId: run.id, unit: who.unit, attempt: who.attempt, what } },
  ];
  if (!isTerminal(run.status as RunStatus)) {
    write.append({ ...streamFor(run), events });
    return;
  }
  const stream = streamOf('tenant', run.tenant_id);
  write.append({ tenantId: run.tenant_id, stream, conversationId: null, events });
}
