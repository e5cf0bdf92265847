// A call that is not made because of one before it in the same answer: it has its result without having been claimed, and
// a question about it is withdrawn.
import type { Doubt } from '../../../workflows/contracts/activities.ts';
import { type CallResult, type CallRow, closeCall, lockCall } from '../calls/calls.ts';
import type { Write } from '../log/events.ts';
import { beginAttempt, endAttempt, type NewAttempt } from '../runs/attempts.ts';
import { stopAmong } from '../runs/inputs.ts';
import { type LockedRun, streamFor } from '../runs/runs.ts';
import { answerApproval } from './approvals.ts';

const words: Record<Doubt['status'], string> = {
  unknown: 'has an unknown outcome',
  stopped: 'was stopped before it was finished',
};

/** Undefined, and nothing changed: it was claimed or has its result already, or its run was told to stop. */
export async function skipCall(
  write: Write,
  input: { tenantId: string; callId: string; attempt: NewAttempt; after: Doubt },
): Promise<CallResult | undefined> {
  const { after, attempt } = input;
  const { run, call } = await lockCall(write, input.tenantId, attempt.runId, input.callId);
  if (call.status !== 'requested' || stopAmong(run.waiting) !== 'none') return undefined;
  const { ref } = await beginAttempt(write, run, attempt);
  await endAttempt(write, run, ref, 'stopped');
  const why = `call ${after.callId} before it ${words[after.status]}`;
  const result: CallResult = {
    status: 'stopped',
    output: `Not made, because ${why}. Look at the state of things; call it again if it is still right.`,
    failed: true,
  };
  const asked = await openQuestionOf(write, run, call);
  if (asked === undefined) {
    const event = await closeCall(write, run, call, result);
    write.append({ ...streamFor(run), events: [event] });
  } else {
    await answerApproval(write, run, asked, { status: 'withdrawn', by: why, result });
  }
  return result;
}

async function openQuestionOf(
  { tx }: Write,
  run: LockedRun,
  call: Pick<CallRow, 'call_id' | 'decision'>,
): Promise<string | undefined> {
  if (call.decision !== 'ask') return undefined;
  const row = await tx
    .selectFrom('approvals')
    .select('id')
    .where('tenant_id', '=', run.tenant_id)
    .where('run_id', '=', run.id)
    .where('call_id', '=', call.call_id)
    .where('status', '=', 'open')
    .executeTakeFirst();
  return row?.id;
}
