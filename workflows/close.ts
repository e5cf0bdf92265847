// How the workflow of a run closes, so that Temporal's UI says the same of it as every other surface.
import { ApplicationFailure, CancelledFailure, upsertMemo } from '@temporalio/workflow';
import type { RunResult } from './contracts/activities.ts';

/**
 * A run that failed or ran out of time reads Failed, a cancelled one Cancelled, every other one Completed: what an
 * interrupted run did is kept, and its result says `interrupted`. Nothing retries a workflow of a run.
 *
 * This needs no patch: the result comes from an activity, and older histories hold none.
 */
export function closeWith(result: RunResult | undefined): RunResult | undefined {
  switch (result?.status) {
    case 'failed':
    case 'timed_out':
      throw withoutStack(
        ApplicationFailure.create({
          message: sentenceOf(result),
          type: result.reason,
          nonRetryable: true,
          details: [result],
        }),
      );
    case 'cancelled':
      // A workflow that closes as cancelled has no place for a result.
      upsertMemo({ result });
      // The activity that returned this has asked Temporal for a cancel: without that the workflow would read Failed.
      throw withoutStack(new CancelledFailure(sentenceOf(result)));
    default:
      return result;
  }
}

/** That it ended here is no news, and Temporal's page would show where this machine keeps the code. */
function withoutStack(failure: Error): Error {
  failure.stack = '';
  return failure;
}

function sentenceOf({ status, reason, steps, costMicros }: RunResult): string {
  const why = reason === status ? status : `${status}: ${reason}`;
  return `The run has ended as ${why}, after ${steps} ${steps === 1 ? 'step' : 'steps'} and $${(costMicros / 1_000_000).toFixed(4)}.`;
}
