// The end of a run: the only writer of terminal state. Everything that is open is closed in one transaction,
// and the next parked message of the conversation gets its turn.
import { type EventPayload, type NewEvent, streamOf } from '../../../workflows/contracts/event.ts';
import type { RunStatus, StopReason } from '../../../workflows/contracts/run.ts';
import { canBecome, isTerminal } from '../../../workflows/run/transitions.ts';
import { withdrawApprovals } from '../approvals/approvals.ts';
import { closeCall, type CallRow } from '../calls/calls.ts';
import type { CallDecision } from '../calls/call-decision.ts';
import type { Write } from '../log/events.ts';
import { leaveChildren, reportEnd } from '../delegation/delegations.ts';
import { giveBack } from '../delegation/mailbox.ts';
import { releasing } from '../allowances/run-places.ts';
import { leavesHead, leavingHead } from './conversation.ts';
import { bringHome, homecomingOf } from './coming-home.ts';
import { openOf } from './open-at-end.ts';
import { promoteNext } from './promote-next.ts';
import { openRewind } from './rewinds.ts';
import { takeTitle } from './titles.ts';
import type { RewindRow } from '../runs/rewinds.ts';
import { type LockedRun, type RunRow } from '../runs/runs.ts';
import { tellOfRun } from '../runs/tell-of-run.ts';

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
  /** What the run changed is taken back, as was asked for with its cancel, or brought home. */
  rewind?: RewindRow;
  /** Runs of its tree that are to hear of this end. */
  wakes?: string[];
}

/** Ends a run whose lock, and whose conversation's, the caller holds. After the commit comes `afterEnd`. */
export async function endRun(write: Write, run: LockedRun, end: RunEnd): Promise<EndedRun> {
  if (!canBecome(run.status as RunStatus, end.status)) {
    // Ending as it has ended is a retry whose first answer was lost, not a late end.
    if (isTerminal(run.status as RunStatus) && run.reason !== end.reason)
      recordLate(write, run, { unit: 'run', attempt: 0 }, `ending as ${end.status}`);
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
    .with('head', () => leavingHead(run, end.status))
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
  const { hasChanges, comesHome } = await homecomingOf(write.tx, ended, open.parked);
  const payload: EventPayload<'run-end'> = {
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
    ...(hasChanges && { toApply: true as const }),
  };
  events.push({ type: 'run-end', payload });
  write.append({
    tenantId: run.tenant_id,
    stream: streamOf('run', run.id),
    conversationId: run.conversation_id,
    events,
    dedupeKey: 'run-end',
    end: true,
  });
  const undo = await undoAsked(write, ended);
  // Its place comes when that is done.
  const promoted = open.parked ? await promoteNext(write, ended) : undefined;
  if (run.kind === 'main' && !leavesHead(run, end.status)) await giveBack(write, ended);
  if (run.kind === 'title' && end.status === 'succeeded') await takeTitle(write, ended);
  const wakes = [
    ...(run.children > 0 ? await leaveChildren(write, ended) : []),
    ...(run.kind === 'subagent' ? await reportEnd(write, ended) : []),
  ];
  const rewind = undo ?? (comesHome ? await bringHome(write, ended) : undefined);
  // Known last, as the project is locked last; events are written behind everything else.
  if (rewind) payload.rewindId = rewind.id;
  if (rewind?.kind === 'apply') payload.bringsHome = true;
  // What is taken back is not to be brought home.
  else if (rewind) delete payload.toApply;
  return {
    ...{ ended: true, run: ended, waiting },
    ...(promoted && { promoted }),
    ...(rewind && { rewind }),
    ...(wakes.length > 0 && { wakes }),
  };
}

/** Before its tree was recorded no run has changed anything. */
async function undoAsked(write: Write, run: RunRow): Promise<RewindRow | undefined> {
  if (run.undo_by === null || run.start_tree === null || run.rewind_id !== null) return undefined;
  return openRewind(write, run, { target: 0, by: run.undo_by, requestId: run.request_id });
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
        output: waits(call)
          ? 'Stopped: the run ended while this waited for a subagent, which was told to stop.'
          : unknown
            ? 'The run ended while this call was under way: nobody can tell whether it took effect.'
            : 'Stopped: the run ended before this call was made.',
        failed: true,
      }),
    );
  }
  return events;
}

function waits({ status, decided }: CallRow): boolean {
  return status === 'running' && (decided as Partial<CallDecision>).delegates !== undefined;
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

/** Notes a write that came too late and was refused. A closed stream cannot carry it: the tenant is told alone then. */
export function recordLate(
  write: Write,
  run: RunRow,
  who: { unit: string; attempt: number },
  what: string,
): void {
  tellOfRun(write, run, {
    type: 'late-write',
    payload: { runId: run.id, unit: who.unit, attempt: who.attempt, what },
  });
}
