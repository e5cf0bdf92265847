// The results of tools that the caller executes itself: all of them are taken, or none.
import { openApprovals } from '../../activities/store/approvals/approval-lists.ts';
import { type ApprovalRow, answerApproval } from '../../activities/store/approvals/approvals.ts';
import type { CallResult } from '../../activities/store/calls/calls.ts';
import { cutOutput } from '../../activities/store/calls/cut-output.ts';
import type { Write } from '../../activities/store/log/events.ts';
import { lockRun } from '../../activities/store/runs/runs.ts';
import type { ResultsBody } from '../../workflows/contracts/approval.ts';
import { Failure, found } from '../../workflows/contracts/failures.ts';
import { actorOf, type Verb, type VerbParts } from './verb.ts';

type Brought = ResultsBody & { runId: string };
type Taken = { items: { callId: string }[] };

export const bringResults: Verb<Brought, Taken> = async (parts, write, caller, { runId, results }) => {
  const { tenantId, by } = actorOf(caller);
  const run = found(await lockRun(write, tenantId, runId), `run ${runId}`);
  const open = (await openApprovals(write.tx, run)).filter(({ kind }) => kind === 'result');
  for (const { callId, output, failed = false } of results) {
    const approval = open.find(({ call_id }) => call_id === callId);
    if (!approval) throw notWaiting(callId, open);
    refuseLate(approval);
    const answered = await answerApproval(write, run, approval.id, {
      status: 'approved',
      by,
      result: await toResult(parts, write, tenantId, { said: output, failed }),
    });
    if (!answered) throw new Failure('InvalidInput', `Call ${callId} is named twice.`);
  }
  const items = results.map(({ callId }) => ({ callId }));
  return { body: { items }, after: () => parts.runs.wake(run.id) };
};

function notWaiting(callId: string, open: readonly ApprovalRow[]): Failure {
  const waiting = open.map(({ call_id }) => call_id).join(', ') || 'none';
  const detail = `Call ${callId} does not wait for a result of yours; these do: ${waiting}.`;
  return new Failure('NotRunnable', detail);
}

/** An answer after the deadline comes too late, whether or not the clock has been looked at before. */
export function refuseLate(approval: ApprovalRow): void {
  if (approval.deadline_at > new Date()) return;
  throw new Failure('ApprovalDecided', `Nobody answered until ${approval.deadline_at.toISOString()}.`, {
    outcome: 'expired',
    decidedBy: 'the deadline',
  });
}

/** What a person or a caller's own tool said, as the result of the call. */
export async function toResult(
  parts: VerbParts,
  write: Write,
  tenantId: string,
  { said, failed }: { said: string; failed: boolean },
): Promise<CallResult> {
  const cut = await cutOutput(parts.redact(said), (mediaType, bytes) =>
    parts.keepContent(write.tx, tenantId, mediaType, bytes),
  );
  return { status: failed ? 'failed' : 'succeeded', ...cut, failed };
}
