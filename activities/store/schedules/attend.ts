// One occurrence on its way from waiting to its end, a step with each look: what its workflow does next is decided here,
// under the schedule's lock, and what is decided is written. A look that comes twice finds nothing left to do.
import type { AttendScheduleInput } from '../../../workflows/contracts/activities.ts';
import type { Failure, FailureCode } from '../../../workflows/contracts/failures.ts';
import type { RunStatus } from '../../../workflows/contracts/run.ts';
import type { Outcome, UpkeepJob } from '../../../workflows/contracts/schedule.ts';
import { isTerminal } from '../../../workflows/run/transitions.ts';
import { pauseAfter } from '../../../workflows/schedule/decide.ts';
import type { Accepted } from '../lifecycle/accept-run.ts';
import { type StartNeeds, startRun } from '../lifecycle/start-run.ts';
import type { Write } from '../log/events.ts';
import { addPruning, cutoffsOf } from '../retention/prunings.ts';
import type { RetentionSettings } from '../retention/retention-table.ts';
import { addDeadLetter } from '../runs/dead-letters.ts';
import { findRun, type RunRow } from '../runs/runs.ts';
import {
  type Change,
  findOccurrence,
  type OccurrenceRow,
  openOf,
  replaced,
  scheduledMessage,
  setOutcome,
} from './occurrences.ts';
import type { ScheduleRow } from './schedule-row.ts';
import { lockSchedule } from './schedules.ts';

export type Look = Pick<AttendScheduleInput, 'tenantId' | 'scheduleId' | 'generation'> & {
  occurrenceId: string;
  executionId: string;
};

export interface Attended {
  /** As it is now; undefined: nothing is due by this name, or another execution attends it. */
  row: OccurrenceRow | undefined;
  /** Look again then, in milliseconds; else when something has happened. */
  againMs?: number;
  /** The run that was accepted for it. */
  accepted?: Accepted;
  /** The one that waited for its end. */
  next?: string;
}

interface Seen {
  schedule: ScheduleRow;
  row: OccurrenceRow;
}

/** The occurrence of this execution, which takes it when none has it; ended ones are seen too. */
async function see(write: Write, look: Look): Promise<Seen | undefined> {
  const schedule = await lockSchedule(write, look.tenantId, look.scheduleId);
  const row = schedule && (await findOccurrence(write.tx, look.occurrenceId));
  if (!row || row.schedule_id !== schedule.id || row.generation !== look.generation) return undefined;
  if (row.execution_id === look.executionId) return { schedule, row };
  if (row.execution_id !== null) return undefined;
  await write.tx
    .updateTable('occurrences')
    .set({ execution_id: look.executionId })
    .where('id', '=', row.id)
    .execute();
  return { schedule, row: { ...row, execution_id: look.executionId } };
}

/** What an occurrence begins with. */
export interface Begins {
  needs: StartNeeds;
  retention: RetentionSettings;
}

/** Throws what startRun throws: that it cannot begin is written by `refuse`, in a transaction of its own. */
export async function attend(write: Write, begins: Begins, look: Look, now: Date): Promise<Attended> {
  const seen = await see(write, look);
  if (!seen || seen.row.ended_at) return { row: seen?.row };
  return seen.row.outcome === 'running'
    ? attendRunning(write, seen, now)
    : attendWaiting(write, begins, seen, now);
}

async function attendWaiting(
  write: Write,
  begins: Begins,
  { schedule, row }: Seen,
  now: Date,
): Promise<Attended> {
  if (schedule.deleted_at || !(schedule.enabled || row.by_hand)) {
    const outcome = row.attempts === 0 ? 'skipped' : 'failed';
    return end(write, row, outcome, 'The schedule was switched off or deleted.');
  }
  const waitMs = (row.again_at?.getTime() ?? 0) - now.getTime();
  if (waitMs > 0) return { row, againMs: waitMs };
  const [first] = await openOf(write.tx, schedule.id);
  if (schedule.definition.overlap !== 'allow' && first?.id !== row.id) return { row };
  const { run } = schedule.definition;
  if (run === null) return doUpkeep(write, begins, { schedule, row }, now);
  const attempts = row.attempts + 1;
  const accepted = await startRun(write, begins.needs, starterOf(schedule, row), {
    ...run,
    messageId: scheduledMessage(row.id, attempts),
  });
  const began = await setOutcome(write, row.id, {
    outcome: 'running',
    reason: null,
    attempts,
    run_id: accepted.run.id,
    again_at: null,
    started_at: row.started_at ?? now,
  });
  return { row: began, accepted };
}

/** What takes longer than a look. */
export type LongJob = Exclude<UpkeepJob, 'prune'>;

// What a job does is written into its row when it is done; this only ends the workflow, for which nothing waits.
const jobLookMs = 60_000;

/** A backup takes as long as it takes: the server's loop carries it out, see `jobs.ts`. */
async function beginJob(write: Write, row: OccurrenceRow, job: LongJob, now: Date): Promise<Attended> {
  const begun = { outcome: 'running', reason: null, attempts: 1, started_at: now, job } as const;
  return { row: await setOutcome(write, row.id, begun), againMs: jobLookMs };
}

/** It asks for the pruning, which the sweeper carries out in slices: a night has one, however often it is asked for. */
async function doUpkeep(
  write: Write,
  { retention }: Begins,
  { schedule, row }: Seen,
  now: Date,
): Promise<Attended> {
  const { job } = schedule.definition;
  if (job !== null && job !== 'prune') return beginJob(write, row, job, now);
  const { tenantId, by } = starterOf(schedule, row);
  const night = row.by_hand ? {} : { night: row.due_at.toISOString().slice(0, 10) };
  await addPruning(write.tx, { tenantId, by, cutoffs: cutoffsOf(retention, now), ...night });
  const [outcome, reason] = row.late ? (['late', null] as const) : (['ran', null] as const);
  const began = { attempts: 1, started_at: now };
  return end(write, row, outcome, reason, began);
}

function starterOf({ tenant_id: tenantId, name }: ScheduleRow, row: OccurrenceRow) {
  // As request ids are: what a log line of the run is found by.
  return { tenantId, by: `schedule ${name}`, requestId: row.id.replaceAll(':', '-') };
}

async function attendRunning(write: Write, { schedule, row }: Seen, now: Date): Promise<Attended> {
  if (row.job !== null) return { row, againMs: jobLookMs };
  const run = row.run_id && (await findRun(write.tx, row.tenant_id, row.run_id));
  if (!run) return end(write, row, 'failed', 'Its run was deleted before its end was seen here.');
  const status = run.status as RunStatus;
  if (!isTerminal(status)) return { row };
  if (status === 'succeeded') {
    const [outcome, reason] = row.late ? (['late', lateness(row)] as const) : (['ran', null] as const);
    return end(write, row, outcome, reason);
  }
  const why = run.reason_text ?? status;
  // Stopping it was a person's will.
  if (status === 'cancelled' || status === 'interrupted') return end(write, row, 'failed', why);
  if (row.attempts < schedule.definition.attempts)
    return (await isReplaced(write, schedule, row))
      ? end(write, row, 'failed', replaced)
      : tryAgain(write, row, why, now);
  if (row.attempts === 1) return end(write, row, 'failed', why);
  return endDead(write, schedule, row, run);
}

function lateness({ due_at: due, started_at: started }: OccurrenceRow): string {
  return `Began ${Math.round(((started ?? due).getTime() - due.getTime()) / 1000)} s after it was due.`;
}

/** The next was due before it was seen that its run had failed. */
async function isReplaced(
  write: Write,
  { id, definition }: ScheduleRow,
  row: OccurrenceRow,
): Promise<boolean> {
  if (definition.overlap !== 'cancel-old') return false;
  return (await openOf(write.tx, id)).some(({ due_at: due }) => due > row.due_at);
}

async function tryAgain(write: Write, row: OccurrenceRow, why: string, now: Date): Promise<Attended> {
  const againMs = pauseAfter(row.attempts);
  const again = new Date(now.getTime() + againMs);
  const reason = `Attempt ${row.attempts} failed: ${why} The next is at ${again.toISOString()}.`;
  return {
    row: await setOutcome(write, row.id, { outcome: 'waiting', reason, again_at: again }),
    againMs,
  };
}

async function endDead(
  write: Write,
  { name }: ScheduleRow,
  row: OccurrenceRow,
  run: RunRow,
): Promise<Attended> {
  const { attempts } = row;
  const reason = `All ${attempts} attempts failed; the last one: ${run.reason_text ?? run.status}`;
  await addDeadLetter(write, run, { kind: 'schedule', reason: `Schedule ${name}: ${reason}`, attempts });
  return end(write, row, 'dead', reason);
}

/** The caller holds the schedule's lock. */
export async function end(
  write: Write,
  row: OccurrenceRow,
  outcome: Outcome,
  reason: string | null,
  more: Pick<Change, 'attempts' | 'started_at'> = {},
): Promise<Attended> {
  const ended = await setOutcome(write, row.id, { outcome, reason, ...more });
  const [first] = await openOf(write.tx, row.schedule_id);
  return { row: ended, ...(first?.outcome === 'waiting' && { next: first.id }) };
}

// What another refusal is told as: failed.
const refusals: Partial<Record<FailureCode, Outcome>> = {
  AllowanceExceeded: 'refused',
  NotRunnable: 'refused',
  ConversationBusy: 'skipped',
  ProjectBusy: 'skipped',
};

/** Its run was refused: that is how it ends, whichever attempt it was. */
export async function refuse(write: Write, look: Look, failure: Failure): Promise<Attended> {
  const seen = await see(write, look);
  if (!seen || seen.row.ended_at) return { row: seen?.row };
  return end(write, seen.row, refusals[failure.code] ?? 'failed', failure.message);
}
