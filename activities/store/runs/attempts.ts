// Attempts: who works on which unit of a run right now, under which Temporal task token and with which process
// group. The latest attempt of a unit is its fence; older ones can write nothing.
import { type RawBuilder, sql } from 'kysely';
import { activeStatuses } from '../../../workflows/run/transitions.ts';
import type { Db, Queries } from '../db/database.ts';
import { Superseded, type Write } from '../log/events.ts';
import { type LockedRun, type RunRow, streamFor } from './runs.ts';

export interface AttemptRef {
  runId: string;
  unit: string;
  attempt: number;
}

// Attempts of one execution stay far below this; the next execution's start above it.
const attemptsPerGeneration = 1_000_000;

// Attempts at a step from one wait for a person to the next.
const attemptsPerPause = 10_000;

// One more would count as the next execution.
const mostPauses = attemptsPerGeneration / attemptsPerPause - 1;

/** The number of an execution's attempt: above those of every execution, and of every activity, before it. */
export function attemptNumber(generation: number, attempt: number, pauses = 0): number {
  return generation * attemptsPerGeneration + pauses * attemptsPerPause + attempt;
}

/** Whether the step of an attempt may wait for a person once more. */
export function mayPause({ attempt }: Pick<AttemptRef, 'attempt'>): boolean {
  return Math.floor((attempt % attemptsPerGeneration) / attemptsPerPause) < mostPauses;
}

/** The outcome of an attempt that asked nobody anything, for want of money or because it was stopped first. */
export const notMade = 'not_made';

export interface NewAttempt extends AttemptRef {
  executorId: string;
  /** What fails this attempt in Temporal without waiting for its timeouts. */
  taskToken: Uint8Array;
}

/**
 * Opens an attempt and takes the unit's fence; the caller holds the run's lock. Returns how many attempts of
 * this unit asked anything before and how many of those lost their worker; what this very executor left open failed,
 * and what an executor that lives was at is superseded: it counts as lost only once that executor has ended.
 * Throws Superseded when the run was handed over to another execution than the attempt's. `claim`: what else is written
 * where it opens.
 */
export async function beginAttempt(
  write: Write,
  run: RunRow,
  attempt: NewAttempt,
  claim?: RawBuilder<unknown>,
): Promise<{ earlier: number; lost: number }> {
  // The hand-over took every fence away, and nobody holds those of units that were not open: it is this that keeps an
  // execution from beginning anything more.
  if (Math.floor(attempt.attempt / attemptsPerGeneration) !== run.generation)
    throw new Superseded(`attempt ${attempt.attempt} of ${attempt.unit} is of another execution`);
  // One statement: the run's lock keeps what it reads from changing.
  const { rows: earlier } = await sql<{ attempt: number; lost: boolean; outcome: string }>`
    with earlier as (
      select attempt, executor_id = ${attempt.executorId} as own, coalesce(outcome, 'open') as outcome,
        not exists (select from executors where id = executor_id and ended_at is null) as gone
      from attempts where run_id = ${run.id} and unit = ${attempt.unit}
    ), newest as (
      select 1 where not exists (select from earlier where attempt >= ${attempt.attempt})
    ), opened as (
      insert into attempts (run_id, unit, tenant_id, attempt, executor_id, task_token)
      select ${run.id}::uuid, ${attempt.unit}, ${run.tenant_id}::uuid, ${attempt.attempt}::integer,
        ${attempt.executorId}::uuid, ${Buffer.from(attempt.taskToken)}::bytea from newest
    ), left_open as (
      update attempts set ended_at = ${new Date()},
        outcome = case when earlier.own then 'failed' when earlier.gone then 'lost' else 'superseded' end
      from earlier
      where run_id = ${run.id} and unit = ${attempt.unit} and attempts.attempt = earlier.attempt
        and ended_at is null and exists (select from newest)
    ), claimed as (
      ${claim ?? sql`select`} ${claim ? sql`and exists (select from newest)` : sql``}
    )
    select attempt, outcome, outcome = 'lost' or (outcome in ('open', 'superseded') and gone and not own) as lost
    from earlier`.execute(write.tx);
  if (earlier.some((row) => row.attempt >= attempt.attempt)) {
    throw new Superseded(`attempt ${attempt.attempt} of ${attempt.unit} comes late`);
  }
  // The head's lock, which comes last, orders it with every append of the attempt we replace.
  write.append({ ...streamFor(run), events: [], fence: attempt, change: 'take' });
  const made = earlier.filter(({ outcome }) => outcome !== notMade);
  return { earlier: made.length, lost: earlier.filter(({ lost }) => lost).length };
}

/**
 * Ends an attempt whose result the caller stores in the same transaction: the fence closes, so nothing more is
 * written for the unit. Throws Superseded when the attempt is not the current one.
 */
export async function endAttempt(
  write: Write,
  run: LockedRun,
  attempt: AttemptRef,
  outcome: string,
): Promise<void> {
  await sql`with ended as ${ending(write, run, attempt, outcome)} select`.execute(write.tx);
}

/** The same as a part of another statement. */
export function ending(
  write: Write,
  run: LockedRun,
  attempt: AttemptRef,
  outcome: string,
): RawBuilder<Record<string, unknown>> {
  if (run.fences[attempt.unit] !== attempt.attempt)
    throw new Superseded(`attempt ${attempt.attempt} of ${attempt.unit} is not the current one`);
  delete run.fences[attempt.unit];
  write.append({ ...streamFor(run), events: [], fence: attempt, change: 'drop' });
  return sql`(
    update attempts set ended_at = ${new Date()}, outcome = ${outcome}
    where run_id = ${attempt.runId} and unit = ${attempt.unit} and attempt = ${attempt.attempt}
  )`;
}

/** Whether an attempt has ended without asking anybody anything. */
export async function hasLeft(queries: Queries, attempt: AttemptRef): Promise<boolean> {
  const row = await queries
    .selectFrom('attempts')
    .select('outcome')
    .where('run_id', '=', attempt.runId)
    .where('unit', '=', attempt.unit)
    .where('attempt', '=', attempt.attempt)
    .executeTakeFirst();
  return row?.outcome === notMade;
}

/** Ends an attempt that stored no result; its unit's fence stays with it until the next attempt takes it. */
export async function failAttempt(db: Queries, attempt: AttemptRef, outcome: string): Promise<void> {
  await db
    .updateTable('attempts')
    .set({ ended_at: new Date(), outcome })
    .where('run_id', '=', attempt.runId)
    .where('unit', '=', attempt.unit)
    .where('attempt', '=', attempt.attempt)
    .execute();
}

/** When the attempts of a unit before this one ended that had this outcome, in order. */
export async function endsOf(db: Queries, attempt: AttemptRef, outcome: string): Promise<Date[]> {
  const rows = await db
    .selectFrom('attempts')
    .select('ended_at')
    .where('run_id', '=', attempt.runId)
    .where('unit', '=', attempt.unit)
    .where('attempt', '<', attempt.attempt)
    .where('outcome', '=', outcome)
    .orderBy('ended_at')
    .execute();
  return rows.flatMap(({ ended_at }) => ended_at ?? []);
}

/** The attempt that runs is now the server's business under another token: whoever fails it must use that one. */
export async function adoptToken(db: Queries, attempt: NewAttempt): Promise<void> {
  await db
    .updateTable('attempts')
    .set({ task_token: Buffer.from(attempt.taskToken) })
    .where('run_id', '=', attempt.runId)
    .where('unit', '=', attempt.unit)
    .where('ended_at', 'is', null)
    .execute();
}

/** Makes the process group durable before its command can act, so that anybody can kill it later. */
export async function noteProcessGroup(
  db: Db,
  attempt: AttemptRef,
  group: { pgid: number; startedTicks: string },
): Promise<void> {
  const noted = await db
    .updateTable('attempts')
    .set({ process_group: group.pgid, process_started: group.startedTicks })
    .where('run_id', '=', attempt.runId)
    .where('unit', '=', attempt.unit)
    .where('attempt', '=', attempt.attempt)
    .where('ended_at', 'is', null)
    .executeTakeFirst();
  if (noted.numUpdatedRows !== 1n)
    throw new Superseded(`attempt ${attempt.attempt} of ${attempt.unit} has ended`);
}

export interface OpenAttempt extends AttemptRef {
  executorId: string;
  taskToken: Buffer;
  group: { pgid: number; startedTicks: string } | undefined;
}

/** What an executor was working on. Attempts of its background processes count too. */
export async function openAttemptsOf(db: Queries, executorId: string): Promise<OpenAttempt[]> {
  const rows = await db
    .selectFrom('attempts')
    .selectAll()
    .where('executor_id', '=', executorId)
    .where('ended_at', 'is', null)
    .execute();
  return rows.map(toOpenAttempt);
}

/** The attempts of a unit before this one that left a process group behind, and the host that ran each. */
export async function groupsBefore(
  db: Queries,
  attempt: AttemptRef,
): Promise<{ host: string; group: { pgid: number; startedTicks: string } }[]> {
  const rows = await db
    .selectFrom('attempts')
    .innerJoin('executors', 'executors.id', 'attempts.executor_id')
    .select(['executors.host', 'attempts.process_group', 'attempts.process_started'])
    .where('attempts.run_id', '=', attempt.runId)
    .where('attempts.unit', '=', attempt.unit)
    .where('attempts.attempt', '<', attempt.attempt)
    .where('attempts.process_group', 'is not', null)
    .execute();
  return rows.map((row) => ({
    host: row.host,
    group: { pgid: row.process_group ?? 0, startedTicks: row.process_started ?? '' },
  }));
}

function toOpenAttempt(row: {
  run_id: string;
  unit: string;
  attempt: number;
  executor_id: string;
  task_token: Buffer;
  process_group: number | null;
  process_started: string | null;
}): OpenAttempt {
  const group =
    row.process_group === null
      ? undefined
      : { pgid: row.process_group, startedTicks: row.process_started ?? '' };
  return {
    runId: row.run_id,
    unit: row.unit,
    attempt: row.attempt,
    executorId: row.executor_id,
    taskToken: row.task_token,
    group,
  };
}

/**
 * Every process group an executor started for runs that are still active: those of open attempts, and those its
 * background commands left running after their call had ended. `key` is the mark their processes carry.
 */
export async function groupsOf(
  db: Queries,
  executorId: string,
): Promise<{ key: string; group: { pgid: number; startedTicks: string } }[]> {
  const rows = await db
    .selectFrom('attempts')
    .innerJoin('runs', 'runs.id', 'attempts.run_id')
    .select(['run_id', 'unit', 'process_group', 'process_started'])
    .where('executor_id', '=', executorId)
    .where('process_group', 'is not', null)
    .where('runs.status', 'in', activeStatuses)
    .execute();
  return rows.map((row) => ({
    key: `${row.run_id}/${row.unit.slice('call/'.length)}`,
    group: { pgid: row.process_group ?? 0, startedTicks: row.process_started ?? '' },
  }));
}

/** Ends every open attempt of a dead executor. */
export async function markLost(db: Queries, executorId: string): Promise<void> {
  await db
    .updateTable('attempts')
    .set({ ended_at: new Date(), outcome: 'lost' })
    .where('executor_id', '=', executorId)
    .where('ended_at', 'is', null)
    .execute();
}
