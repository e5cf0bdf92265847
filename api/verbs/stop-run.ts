// Stopping an active run: the conversation goes on from what an interrupted run did, and from before a cancelled one. A row
// first, then the wake; a run that no workflow has taken up ends here.
import { afterEnd } from '../../activities/store/lifecycle/after-end.ts';
import { endUnstarted } from '../../activities/store/lifecycle/end-run.ts';
import { addInput } from '../../activities/store/runs/inputs.ts';
import { lockRunAndConversation } from '../../activities/store/runs/runs.ts';
import { Failure, found } from '../../workflows/contracts/failures.ts';
import type { ReceiptView } from '../../workflows/contracts/run.ts';
import { actorOf, type Verb } from './verb.ts';

export interface Stop {
  runId: string;
  kind: 'interrupt' | 'cancel';
  /** The request's own id when it has none. */
  messageId?: string | undefined;
}

export const stopRun: Verb<Stop, ReceiptView> = async (parts, write, caller, { runId, kind, messageId }) => {
  const { tenantId, by, requestId } = actorOf(caller);
  // It may end here and promote the next.
  const run = found(await lockRunAndConversation(write, tenantId, runId), `run ${runId}`);
  const input = { kind, messageId: messageId ?? requestId, text: '', by };
  const receipt = await addInput(write, run, input).catch((error: unknown) => {
    if (kind === 'interrupt' || !(error instanceof Failure && error.code === 'RunNotActive')) throw error;
    throw new Failure('RunEnded', `Run ${run.id} has ended as ${run.status}; there is nothing to cancel.`);
  });
  const ended = await endUnstarted(write, run, kind);
  if (!ended) return { body: receipt, after: () => parts.runs.wake(run.id) };
  return {
    body: receipt,
    async after() {
      for (const admitted of await afterEnd(parts.log, ended)) parts.runs.started(admitted);
    },
  };
};
