// A workflow can close as cancelled only after Temporal was asked to cancel it. So whichever activity tells it that its run
// has been cancelled asks first: the workflow can then always close as cancelled, even when the process that wanted
// the cancel is gone.
import { Context } from '@temporalio/activity';
import type { RunResult } from '../workflows/contracts/activities.ts';
import type { ActivityDeps } from './deps.ts';

export function closing<Input, Output extends object>(
  { cancelWorkflow }: Pick<ActivityDeps, 'cancelWorkflow'>,
  act: (input: Input) => Promise<Output & { result?: RunResult }>,
): (input: Input) => Promise<Output> {
  return async (input) => {
    const output = await act(input);
    // Where Temporal does not answer, the activity fails and is tried again; what it stored is stored once.
    const { workflowExecution } = Context.current().info;
    if (output.result?.status === 'cancelled' && workflowExecution) await cancelWorkflow(workflowExecution);
    return output;
  };
}
