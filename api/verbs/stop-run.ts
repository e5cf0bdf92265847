// Stopping an active run, or all of a conversation: the conversation goes on from what an interrupted run did, and from before a cancelled one. A row
// first, then the wake; a run that no workflow has taken up ends here.
import { v7 as uuid } from 'uuid';
import { afterEnd } from '../../activities/store/lifecycle/after-end.ts';
import { type EndedRun, endUnstarted } from '../../activities/store/lifecycle/end-run.ts';
import { interruptConversation } from '../../activities/store/lifecycle/interrupt-conversation.ts';
import { addInput } from '../../activities/store/runs/inputs.ts';
import { askUndo } from '../../activities/store/lifecycle/rewinds.ts';
import { lockRunAndConversation } from '../../activities/store/runs/runs.ts';
import { Failure, found } from '../../workflows/contracts/failures.ts';
import type { InterruptedView, ReceiptView } from '../../workflows/contracts/receipt.ts';
import { actorOf, type Verb, type VerbParts } from './verb.ts';

export interface Stop {
  runId: string;
  kind: 'interrupt' | 'cancel';
  messageId?: string | undefined;
  /** With a cancel: what the run changed in its project is taken back once it has ended. */
  undo?: boolean | undefined;
}

export const stopRun: Verb<Stop, ReceiptView> = async (
  parts,
  write,
  caller,
  { runId, kind, messageId, undo },
) => {
  const { tenantId, by } = actorOf(caller);
  // It may end here and promote the next.
  const run = found(await lockRunAndConversation(write, tenantId, runId), `run ${runId}`);
  const input = { kind, messageId: messageId ?? uuid(), text: '', by };
  const receipt = await addInput(write, run, input).catch((error: unknown) => {
    if (kind === 'interrupt' || !(error instanceof Failure && error.code === 'RunNotActive')) throw error;
    throw new Failure(
      'RunEnded',
      `Run ${run.id} has ended as ${run.status}; there is nothing to cancel. Rewind takes back what it changed.`,
    );
  });
  if (undo) await askUndo(write, run, by);
  const ended = await endUnstarted(write, run, kind);
  if (!ended) return { body: receipt, after: () => parts.runs.wake(run.id) };
  return { body: receipt, after: () => tellEnded(parts, ended) };
};

export interface ConversationStop {
  conversationId: string;
  messageId?: string | undefined;
}

export const interruptAll: Verb<ConversationStop, InterruptedView> = async (parts, write, caller, stop) => {
  const { receipts, ended } = await interruptConversation(write, { ...stop, ...actorOf(caller) });
  const over = new Set(ended.map(({ run }) => run.id));
  return {
    body: { conversationId: stop.conversationId, items: receipts },
    async after() {
      for (const { runId } of receipts) if (!over.has(runId)) parts.runs.wake(runId);
      for (const end of ended) await tellEnded(parts, end);
    },
  };
};

/** After the commit: what waited for this end hears of it, and begins. */
export async function tellEnded({ runs, log }: VerbParts, ended: EndedRun): Promise<void> {
  for (const id of ended.wakes ?? []) runs.wake(id);
  for (const admitted of await afterEnd(log, ended)) runs.started(admitted);
}
