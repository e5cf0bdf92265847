// What a person answers to a run of a kernel.
import {
  type ApprovalAnswer,
  type ApprovalRow,
  answerApproval,
} from '../../activities/store/approvals/approvals.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import type { Kernel } from './kernel.ts';
import { lockedRun } from './store.ts';

/** Yes unless given otherwise; the run is woken for it. */
export async function answer(
  kernel: Kernel,
  run: RunRow,
  approvalId: string,
  given: Partial<ApprovalAnswer> = {},
): Promise<ApprovalRow | undefined> {
  const answered = await kernel.store.log.write('test', async (write) =>
    answerApproval(write, await lockedRun(write, run.id), approvalId, {
      status: 'approved',
      by: 'ada',
      ...given,
    }),
  );
  await kernel.wake(run);
  return answered;
}
