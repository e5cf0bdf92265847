// Questions about money that runs wait for people to answer: which limit each is about, and answering those of an
// allowance that was raised or has room again.
import { sql } from 'kysely';
import type { ChangedLimits } from '../allowances/allowance-limits.ts';
import type { Exceeded, LimitName } from '../allowances/allowances.ts';
import { type ApprovalRow, answerApproval } from './approvals.ts';
import type { AttemptRef } from '../runs/attempts.ts';
import type { Queries } from '../db/database.ts';
import type { Write } from '../log/events.ts';
import { lockRun } from '../runs/runs.ts';

type Changed = Extract<ChangedLimits, { kind: 'changed' }>;

// What such a question is bound to stands where that of a call has the hash of its arguments.
export const ofRun = 'run/costMicros';

export function ofPool({ allowanceId, limit }: Pick<Exceeded, 'allowanceId' | 'limit'>): string {
  return `${allowanceId}/${limit satisfies LimitName}`;
}

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

/**
 * Lets runs go on that waited for a limit of an allowance which was raised, in the transaction that raised it: it holds
 * pools, and conversations come next in the one lock order. Returns those to be woken after the commit.
 */
export async function answerRaised(
  write: Write,
  { id: allowanceId, raised, waiting }: Pick<Changed, 'id' | 'raised' | 'waiting'>,
  { tenantId, by, reason }: { tenantId: string; by: string; reason: string },
): Promise<string[]> {
  if (waiting.length === 0) return [];
  const about = raised.map((limit) => ofPool({ allowanceId, limit }));
  // Of several conversations in one order, whoever else does this.
  const runs = await write.tx
    .selectFrom('runs')
    .select('id')
    .where('tenant_id', '=', tenantId)
    .where('id', 'in', waiting)
    .orderBy('conversation_id')
    .orderBy('id')
    .execute();
  const answered: string[] = [];
  for (const { id } of runs) {
    const run = await lockRun(write, tenantId, id);
    const question = run && (await findLimitQuestion(write.tx, run, 'open'));
    if (!question || !about.includes(question.input_hash)) continue;
    await answerApproval(write, run, question.id, { status: 'approved', by, note: reason });
    answered.push(id);
  }
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
    // In words and not as parameters: a plan for any parameters could not use the index of these.
    .where('status', '=', sql.lit('open'))
    .where('kind', '=', sql.lit('limit'))
    .where('input_hash', '<>', ofRun)
    .orderBy('id')
    .limit(limit);
  if (after !== undefined) query = query.where('id', '>', after);
  const rows = await query.execute();
  return {
    found: rows.filter(({ fits }) => fits),
    last: rows.length < limit ? undefined : rows.at(-1)?.id,
  };
}

/** Asked again of each: who was answered before it may draw the same room. */
export async function answerWithRoom(write: Write, { id, run_id, tenant_id }: Answerable): Promise<boolean> {
  // Before the conversation's lock, as by whoever reserves.
  const noted = await write.tx
    .updateTable('allowance_waits')
    .set({ granted_at: sql<Date>`clock_timestamp()` })
    .where('run_id', '=', run_id)
    .where(hasRoom('allowance_waits.run_id'))
    .executeTakeFirst();
  if (noted.numUpdatedRows !== 1n) return false;
  const run = await lockRun(write, tenant_id, run_id);
  if (!run) throw new Error(`There is no run ${run_id}.`);
  const note = 'There is room for the call by now.';
  const answered = await answerApproval(write, run, id, { status: 'approved', by: 'the allowance', note });
  return answered !== undefined;
}

function hasRoom(runId: 'approvals.run_id' | 'allowance_waits.run_id') {
  return sql<boolean>`allowance_has_room(${sql.ref(runId)}, clock_timestamp())`;
}
