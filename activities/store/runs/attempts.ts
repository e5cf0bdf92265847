// Attempts: who works on which unit of a run right now, under which Temporal task token and with which command. The
// latest attempt of a unit is its fence; older ones can write nothing.
import { type RawBuilder, sql } from 'kysely';
import { activeStatuses } from '../../../workflows/run/transitions.ts';
import type { Handle } from '../../sandbox/sandbox.ts';
import type { Db, Queries } from '../db/database.ts';
import { Superseded, type Write } from '../log/events.ts';
import { type LockedRun, streamFor } from './runs.ts';

/** An attempt that was opened. Its number is counted within its unit: 1, 2, 3 and so on. */
export interface AttemptRef {
  runId: string;
  unit: string;
  attempt: number;
}

/** An attempt to be opened: which of all tries at its unit it is, and who makes it. */
export interface NewAttempt {
  runId: string;
  unit: string;
  /** The run's execution that wants it. */
  generation: number;
  /** How often its step has waited for a person before. */
  pauses: number;
  /** Temporal's count of tries, which starts anew with each execution and after each wait. */
  tried: number;
  executorId: string;
  /** What fails this attempt in Temporal without waiting for its timeouts. */
  taskToken: Uint8Array;
}

export interface BegunAttempt {
  ref: AttemptRef;
  /** How many attempts of this unit asked anything before, and how many of those lost their worker. */
  earlier: number;
  lost: number;
  /** How often the conversation was found too long since it was last summed up. */
  refused: number;
  /** The one before was left alone by its provider, or has summed up the conversation: what it told of its begin stands. */
  resumes: boolean;
}

// A step that waits for people more often gets nowhere.
const mostPauses = 99;

/** Whether the step of an attempt may wait for a person once more. */
export function mayPause({ pauses }: Pick<NewAttempt, 'pauses'>): boolean {
  return pauses < mostPauses;
}

/** Whether no attempt can have come before it. */
export function isFirst({ generation, pauses, tried }: NewAttempt): boolean {
  return generation === 0 && pauses === 0 && tried === 1;
}

/** The outcome of an attempt that asked no model, for want of money or because it was stopped first. */
export const notMade = 'not_made';

/** The outcome of an attempt that would have asked a provider that is left alone for a while. */
export const leftAlone = 'left_alone';

/** The outcome of an attempt that has summed up its conversation, and of one whose prompt its server found too long. */
export const compacted = 'compacted';
export const tooLong = 'too_long';

/** After these nothing was asked, and nothing used. */
export const neverAsked = [notMade, leftAlone];

interface Known {
  /** The number of the attempt that this statement opened. */
  opened: number;
  /** Null where no attempt is known. */
  attempt: number | null;
  lost: boolean;
  outcome: string;
}

/**
 * Opens an attempt and takes the unit's fence; the caller holds the run's lock. What this very executor left open
 * failed, and what an executor that lives was at is superseded: it counts as lost only once that executor has ended.
 * Throws Superseded when it comes twice, since what it has done by then is not known, or after a newer one, or when
 * the run was handed over to another execution than the attempt's. A lost COMMIT needs no second begin: what comes after
 * it is another try. `claim`: what else is written where it opens, by `newest`.
 */
export async function beginAttempt(
  write: Write,
  run: LockedRun,
  attempt: NewAttempt,
  claim?: RawBuilder<unknown>,
): Promise<BegunAttempt> {
  const { unit, generation, pauses, tried, executorId } = attempt;
  // The hand-over took every fence away, and no attempt holds those of units that were not open: this check keeps an
  // execution from beginning anything more.
  if (generation !== run.generation) throw new Superseded(`${nameOf(attempt)} is of another execution`);
  // One statement: the run's lock keeps what it reads from changing.
  const { rows } = await sql<Known>`
    with known as (
      select attempt, (generation, pauses, tried) as place, executor_id = ${executorId} as own,
        coalesce(outcome, 'open') as outcome,
        not exists (select from executors where id = executor_id and ended_at is null) as gone
      from attempts where run_id = ${run.id} and unit = ${unit}
    ), wanted as (
      select row(${generation}::integer, ${pauses}::integer, ${tried}::integer) as place
    ), newest as (
      select (select coalesce(max(attempt), 0) + 1 from known) as attempt
      where not exists (select from known, wanted where known.place >= wanted.place)
    ), opened as (
      insert into attempts (run_id, unit, tenant_id, attempt, generation, pauses, tried, executor_id, task_token)
      select ${run.id}::uuid, ${unit}, ${run.tenant_id}::uuid, attempt, ${generation}::integer, ${pauses}::integer,
        ${tried}::integer, ${executorId}::uuid, ${Buffer.from(attempt.taskToken)}::bytea from newest
    ), left_open as (
      update attempts set ended_at = ${new Date()},
        outcome = case when known.own then 'failed' when known.gone then 'lost' else 'superseded' end
      from known
      where run_id = ${run.id} and unit = ${unit} and attempts.attempt = known.attempt
        and ended_at is null and exists (select from newest)
    ), claimed as (
      ${claim ?? sql`select`}
    )
    select newest.attempt as opened, known.attempt, known.outcome,
      known.outcome = 'lost' or (known.outcome in ('open', 'superseded') and gone and not own) as lost
    from newest left join known on true
    order by known.attempt`.execute(write.tx);
  const begun = rows[0]?.opened;
  if (begun === undefined) throw new Superseded(`${nameOf(attempt)} comes late`);
  const ref = { runId: run.id, unit, attempt: begun };
  run.fences[unit] = begun;
  // The head's lock, which comes last, orders it with every append of the attempt we replace.
  write.append({ ...streamFor(run), events: [], fence: ref, change: 'take' });
  const before = rows.filter((row) => row.attempt !== null);
  return {
    ref,
    earlier: before.filter(({ outcome }) => !neverAsked.includes(outcome)).length,
    lost: before.filter(({ lost }) => lost).length,
    refused: refusalsIn(before.map(({ outcome }) => outcome)),
    resumes: [leftAlone, compacted].includes(before.at(-1)?.outcome ?? ''),
  };
}

/** Of the attempts at a step, by how they ended: those refused for length since the last summary. */
export function refusalsIn(outcomes: readonly string[]): number {
  return outcomes.slice(outcomes.lastIndexOf(compacted) + 1).filter((each) => each === tooLong).length;
}

function nameOf({ unit, generation, pauses, tried }: NewAttempt): string {
  return `try ${tried} of ${unit} in execution ${generation}, after ${pauses} waits,`;
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

/** Whether an attempt has ended without asking a model. */
export async function hasLeft(queries: Queries, attempt: AttemptRef): Promise<boolean> {
  const row = await queries
    .selectFrom('attempts')
    .select('outcome')
    .where('run_id', '=', attempt.runId)
    .where('unit', '=', attempt.unit)
    .where('attempt', '=', attempt.attempt)
    .executeTakeFirst();
  return neverAsked.includes(row?.outcome ?? '');
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

/** The outcome of an attempt whose failure made its run go on with another model. */
export const modelChanged = 'model_changed';

/** How and when the attempts of a unit before this one ended, in order, as far as they asked the same model. */
export async function endsOf(db: Queries, attempt: AttemptRef): Promise<{ outcome: string; at: Date }[]> {
  const rows = await db
    .selectFrom('attempts')
    .select(['outcome', 'ended_at'])
    .where('run_id', '=', attempt.runId)
    .where('unit', '=', attempt.unit)
    .where('attempt', '<', attempt.attempt)
    .orderBy('attempt')
    .execute();
  const same = rows.slice(rows.findLastIndex(({ outcome }) => outcome === modelChanged) + 1);
  return same.flatMap(({ outcome, ended_at: at }) => (outcome !== null && at ? [{ outcome, at }] : []));
}

/** The server now knows the running attempt by another token: a caller that fails it must use that one. */
export async function adoptToken(db: Queries, attempt: NewAttempt): Promise<void> {
  await db
    .updateTable('attempts')
    .set({ task_token: Buffer.from(attempt.taskToken) })
    .where('run_id', '=', attempt.runId)
    .where('unit', '=', attempt.unit)
    .where('ended_at', 'is', null)
    .execute();
}

/** Makes the handle of a command durable before it can act, so that any worker can kill it later. */
export async function noteHandle(db: Db, attempt: AttemptRef, handle: Handle): Promise<void> {
  const noted = await db
    .updateTable('attempts')
    .set({ handle: JSON.stringify(handle) })
    .where('run_id', '=', attempt.runId)
    .where('unit', '=', attempt.unit)
    .where('attempt', '=', attempt.attempt)
    .where('ended_at', 'is', null)
    .executeTakeFirst();
  if (noted.numUpdatedRows !== 1n)
    throw new Superseded(`attempt ${attempt.attempt} of ${attempt.unit} has ended`);
}

export interface OpenAttempt extends AttemptRef {
  taskToken: Buffer;
}

/** What an executor was working on. Attempts of its background processes count too. */
export async function openAttemptsOf(db: Queries, executorId: string): Promise<OpenAttempt[]> {
  return db
    .selectFrom('attempts')
    .select(['run_id as runId', 'unit', 'attempt', 'task_token as taskToken'])
    .where('executor_id', '=', executorId)
    .where('ended_at', 'is', null)
    .execute();
}

/** What the attempts of a unit have started: all of them, or those before one. */
export async function handlesOf(
  db: Queries,
  { runId, unit }: Pick<AttemptRef, 'runId' | 'unit'>,
  before?: number,
): Promise<Handle[]> {
  let query = db
    .selectFrom('attempts')
    .select('handle')
    .where('run_id', '=', runId)
    .where('unit', '=', unit)
    .where('handle', 'is not', null)
    .orderBy('attempt');
  if (before !== undefined) query = query.where('attempt', '<', before);
  return (await query.execute()).map(toHandle);
}

/**
 * What an executor has started for runs that are still active: by open attempts, and by those whose commands went on
 * in the background after their call had ended.
 */
export async function handlesLeftBy(db: Queries, executorId: string): Promise<Handle[]> {
  const rows = await db
    .selectFrom('attempts')
    .innerJoin('runs', 'runs.id', 'attempts.run_id')
    .select('handle')
    .where('executor_id', '=', executorId)
    .where('handle', 'is not', null)
    .where('runs.status', 'in', activeStatuses)
    .execute();
  return rows.map(toHandle);
}

/** What a run has started on any machine, whether or not it has ended. */
export async function handlesOfRun(db: Queries, runId: string): Promise<Handle[]> {
  const rows = await db
    .selectFrom('attempts')
    .select('handle')
    .where('run_id', '=', runId)
    .where('handle', 'is not', null)
    .execute();
  return rows.map(toHandle);
}

function toHandle({ handle }: { handle: unknown }): Handle {
  return handle as Handle;
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
