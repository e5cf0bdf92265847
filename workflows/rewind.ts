// Bringing a run's project back to a checkpoint: one activity, which may be begun again and is never called off half-way.
import { CancellationScope, workflowInfo } from '@temporalio/workflow';
import type { RewindInput } from './contracts/activities.ts';
import { activities } from './proxies.ts';

export async function rewind(input: RewindInput): Promise<void> {
  const executionId = workflowInfo().firstExecutionRunId;
  await CancellationScope.nonCancellable(() =>
    activities.rewindProject({ ...input, executionId }, undefined, input.executor),
  );
}
