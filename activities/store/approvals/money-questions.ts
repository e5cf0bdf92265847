// Questions about money that runs wait for people to answer: finding them, and answering them with more money or, where
// an allowance was raised or has room again, with another try.
import { sql } from 'kysely';
import { MoreMoney } from '../../../workflows/contracts/approval.ts';
import { Failure } from '../../../workflows/contracts/failures.ts';
import type { ChangedLimits } from '../allowances/change-limits.ts';
import { raiseOwn } from '../allowances/own-limits.ts';
import { type ApprovalRow, answerApproval } from './approvals.ts';
import type { AttemptRef } from '../runs/attempts.ts';
import type { Queries } from '../db/database.ts';
import type { Write } from '../log/events.ts';
import { lockRun, requireRun, type RunRow } from '../runs/runs.ts';

/** The latest of a run. */
export async function findLimitQuestion(
  queries: Queries,
  run: { id: string; tenant_id: string },
  status?: 'open',
): Promise<ApprovalRow | undefined> {
  let query = queries
    .selectFrom('approvals')
    .selectAll()
    .where('tenant_id', '=', run.tenant_id)
    .where('run_id', '=', run.id)
    .where('kind', '=', 'limit')
    .orderBy('id', 'desc')
    .limit(1);
  if (status) query = query.where('status', '=', status);
  return query.executeTakeFirst();
}

/** What an attempt has asked: none other of its run is at work between its begin and its question. */
export async function findAskedBy(
  queries: Queries,
  { runId, unit, attempt }: AttemptRef,
): Promise<ApprovalRow | undefined> {
  return queries
    .selectFrom('approvals')
    .innerJoin('attempts', 'attempts.run_id', 'approvals.run_id')
    .selectAll('approvals')
    .where('approvals.run_id', '=', runId)
    .where('kind', '=', 'limit')
    .where('unit', '=', unit)
    .where('attempt', '=', attempt)
    .whereRef('created_at', '>=', 'started_at')
    .orderBy('id')
    .limit(1)
    .executeTakeFirst();
}

/** What a person's yes means: so much more for the run itself, or another try. The caller holds the run's lock. */
export async function allowMore(
  write: Write,
  run: RunRow,
  { allowance_id }: ApprovalRow,
  { input, by, note = '' }: { input: unknown; by: string; note?: string | undefined },
): Promise<void> {
  if (allowance_id !== null) {
    if (input === undefined) return;
    throw new Failure(
      'InvalidInput',
      'This waits for an allowance, which no answer raises: approve without input to try again, or raise the allowance ' +
        'with `perdure allowances` or PUT /allowances.',
    );
  }
  const given = MoreMoney.safeParse(input);
  if (given.success && (await raiseOwn(write, run, { more: given.data.costMicros, by, note }))) return;
  throw new Failure(
    'InvalidInput',
    'Say how many dollars more the run may spend: {"input": {"dollars": 0.5}}, or `perdure approve ID --dollars 0.50`.',
  );
}

/**
 * Lets runs go on that waited for a limit of an allowance which was raised, in the transaction that raised it: it holds
 * the pool, so none can ask meanwhile, and conversations come next in the one lock order. Returns those to be woken
 * after the commit.
 */
export async function answerRaised(
  write: Write,
  { id: allowanceId, raised }: Pick<Extract<ChangedLimits, { kind: 'changed' }>, 'id' | 'raised'>,
  { tenantId, by, reason }: { tenantId: string; by: string; reason: string },
): Promise<string[]> {
  if (raised.length === 0) return [];
  const questions = await write.tx
    .selectFrom('approvals')
    .innerJoin('runs', 'runs.id', 'approvals.run_id')
    .select(['approvals.id', 'approvals.run_id', 'approvals.tenant_id'])
    .where('approvals.tenant_id', '=', tenantId)
    .where('approvals.status', '=', sql.lit('open'))
    .where('allowance_id', '=', allowanceId)
    .where('limit_name', 'in', raised)
    // Of several conversations in one order, the same for all that do this.
    .orderBy('conversation_id')
    .orderBy('run_id')
    .execute();
  const answered: string[] = [];
  for (const question of questions)
    if (await tryAgain(write, question, { by, note: reason })) answered.push(question.run_id);
  return answered;
}

/** A question that has its answer: the call it is about would fit by now. */
type Answerable = Pick<ApprovalRow, 'id' | 'run_id' | 'tenant_id'>;

/** Among the oldest open questions about allowances after the given one. `last`: where to go on; undefined at the end. */
export async function listAnswerable(
  queries: Queries,
  limit: number,
  after: string | undefined,
): Promise<{ found: Answerable[]; last: string | undefined }> {
  let query = queries
    .selectFrom('approvals')
    .select(['id', 'run_id', 'tenant_id'])
    .select(hasRoom('approvals.run_id').as('fits'))
    // In words and not as a parameter: a plan for any status could not use the index of these.
    .where('status', '=', sql.lit('open'))
    .where('allowance_id', 'is not', null)
    .orderBy('id')
    .limit(limit);
  if (after !== undefined) query = query.where('id', '>', after);
  const rows = await query.execute();
  return {
    found: rows.filter(({ fits }) => fits),
    last: rows.length < limit ? undefined : rows.at(-1)?.id,
  };
}

/** Looks again for each question: a run answered before it may draw the same room. */
export async function answerWithRoom(write: Write, question: Answerable): Promise<boolean> {
  // Before the conversation's lock, as with every reservation.
  const noted = await write.tx
    .updateTable('allowance_waits')
    .set({ granted_at: sql<Date>`clock_timestamp()` })
    .where('run_id', '=', question.run_id)
    .where(hasRoom('allowance_waits.run_id'))
    .executeTakeFirst();
  if (noted.numUpdatedRows !== 1n) return false;
  return tryAgain(write, question, { by: 'the allowance', note: 'There is room for the call by now.' });
}

/** False when it had its answer. */
async function tryAgain(
  write: Write,
  { id, run_id, tenant_id }: Answerable,
  said: { by: string; note: string },
): Promise<boolean> {
  const run = requireRun(await lockRun(write, tenant_id, run_id), run_id);
  return (await answerApproval(write, run, id, { status: 'approved', ...said })) !== undefined;
}

function hasRoom(runId: 'approvals.run_id' | 'allowance_waits.run_id') {
  return sql<boolean>`allowance_has_room(${sql.ref(runId)}, clock_timestamp())`;
}
