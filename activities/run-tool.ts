// The activity of one tool call: claims it, has it act, and stores its one result. Nothing that is not safe to repeat is
// started without a claim or twice.
import type { RunToolInput, RunToolResult } from '../workflows/contracts/activities.ts';
import { withAttempt } from './attempt.ts';
import { act } from './call/act.ts';
import { makeDelegation } from './call/delegate.ts';
import type { ActivityDeps, Attempt } from './deps.ts';
import { skipCall } from './store/approvals/skip-call.ts';
import { type CallResult, type CallRow, claimCall, recordCall } from './store/calls/calls.ts';
import { untilStored } from './store/db/until-stored.ts';
import { recordLate } from './store/lifecycle/end-run.ts';
import { StreamEnded, Superseded } from './store/log/events.ts';
import { lockRun } from './store/runs/runs.ts';

export function createRunTool(deps: ActivityDeps): (input: RunToolInput) => Promise<RunToolResult> {
  return (input) => {
    const { tenantId, runId, callId, generation, after } = input;
    const unit = `call/${callId}`;
    return withAttempt(deps, { runId, unit, generation }, async (task) => {
      const skipped =
        after &&
        (await deps.log.write('skip-call', (write) =>
          skipCall(write, { tenantId, callId, attempt: task.task, after }),
        ));
      if (skipped) return { status: skipped.status, bytes: skipped.output.length };
      const delegates = deps.tools.find(({ name }) => name === input.tool)?.delegates;
      if (delegates) return makeDelegation(deps, input, task, delegates);
      const claim = await deps.log.write('claim-call', (write) =>
        claimCall(write, { tenantId, callId, attempt: task.task }),
      );
      if (claim.kind === 'recorded')
        return { status: claim.call.status, bytes: claim.call.output_bytes ?? 0 };
      // The end of the run closes it.
      if (claim.kind === 'stopped') return { status: 'stopped', bytes: 0 };
      const attempt = { ...task, ref: claim.ref };
      const result = await act(deps, claim, attempt);
      await storeResult(deps, claim.call, attempt, result);
      return { status: result.status, bytes: result.bytes ?? result.output.length };
    });
  };
}

async function storeResult(
  deps: ActivityDeps,
  call: CallRow,
  attempt: Attempt,
  result: CallResult,
): Promise<void> {
  const { tenant_id: tenantId, run_id: runId, call_id: callId } = call;
  try {
    await untilStored(() =>
      deps.log.write('store-result', (write) =>
        recordCall(write, { tenantId, attempt: attempt.ref, call, result }),
      ),
    );
  } catch (error) {
    if (!(error instanceof Superseded || error instanceof StreamEnded)) throw error;
    await deps.log.write('record-late', async (write) => {
      const run = await lockRun(write, tenantId, runId);
      if (run) recordLate(write, run, attempt.ref, `the result (${result.status}) of ${callId}`);
    });
    throw error;
  }
}
