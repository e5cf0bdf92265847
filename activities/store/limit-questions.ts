// Questions about money that runs wait for people to answer: which limit each is about, and answering those of an
// allowance that was raised.
import type { Exceeded, LimitName } from './allowances.ts';
import { type ApprovalRow, answerApproval } from './approvals.ts';
import type { Queries } from './database.ts';
import type { Write } from './events.ts';
import { lockRun } from './runs.ts';

// What such a question is bound to stands where that of a call has the hash of its arguments.
export const ofRun = 'run/costMicros';

export function ofPool({ allowanceId, limit }: Pick<Exceeded, 'allowanceId' | 'limit'>): string {
  return `${allowanceId}/${limit satisfies LimitName}`;
}

/** The latest of a run. */
export async function findLimitQuestion(
  queries: Queries,
  runId: string,
  status?: 'open',
): Promise<ApprovalRow | undefined> {
  let query = queries
    .selectFrom('approvals')
    .selectAll()
    .where('run_id', '=', runId)
    .where('kind', '=', 'limit')
    .orderBy('id', 'desc')
    .limit(1);
  if (status) query = query.where('status', '=', status);
  return query.executeTakeFirst();
}

/**
 * Lets runs go on that waited for an allowance which was raised, in the transaction that raised it: it holds pools, and
 * conversations come next in the one lock order. Returns those to be woken after the commit.
 */
export async function answerRaised(
  write: Write,
  runIds: readonly string[],
  { tenantId, by, reason }: { tenantId: string; by: string; reason: string },
): Promise<string[]> {
  if (runIds.length === 0) return [];
  // Of several conversations in one order, whoever else does this.
  const runs = await write.tx
    .selectFrom('runs')
    .select('id')
    .where('id', 'in', [...runIds])
    .orderBy('conversation_id')
    .orderBy('id')
    .execute();
  const answered: string[] = [];
  for (const { id } of runs) {
    const run = await lockRun(write, tenantId, id);
    const question = run && (await findLimitQuestion(write.tx, id, 'open'));
    if (!question || question.input_hash === ofRun) continue;
    await answerApproval(write, run, question.id, { status: 'approved', by, note: reason });
    answered.push(id);
  }
  return answered;
}
