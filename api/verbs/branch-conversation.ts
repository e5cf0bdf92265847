// Where a conversation goes another way: a fork, which is a conversation of its own, and another answer to the same
// message. Going on from an earlier run is a message like any other, with `fromRunId`.
import { findConversation } from '../../activities/store/runs/conversations.ts';
import { findTurn } from '../../activities/store/runs/turns.ts';
import { fireAgain } from '../../activities/store/lifecycle/fire.ts';
import { startRun } from '../../activities/store/lifecycle/start-run.ts';
import type { ForkBody, RegenerateBody } from '../../workflows/contracts/conversation.ts';
import { Failure, found } from '../../workflows/contracts/failures.ts';
import { keeping } from './fire-mailbox.ts';
import { partsAgain } from './input-parts.ts';
import { sendMessage, type SentMessage, toSent } from './send-message.ts';
import { actorOf, type Verb } from './verb.ts';

type Of<Body> = Body & { conversationId: string };

export const forkConversation: Verb<Of<ForkBody>, SentMessage> = async (
  parts,
  write,
  caller,
  { conversationId, fromRunId, ...message },
) => {
  const { tenantId } = caller;
  const what = `conversation ${conversationId}`;
  const source = found(await findConversation(write.tx, tenantId, conversationId), what);
  const from = fromRunId ?? source.head_run_id;
  if (from === null) {
    const detail = `No run of ${what} has left anything to go on from yet: start a new conversation instead.`;
    throw new Failure('NotRunnable', detail);
  }
  // The head of a fork may still be the run that it began from.
  if (fromRunId !== undefined)
    found(await findTurn(write.tx, { tenantId, conversationId, runId: fromRunId }), `run ${from} in ${what}`);
  return sendMessage(parts, write, caller, { ...message, fromRunId: from });
};

export const regenerateAnswer: Verb<Of<RegenerateBody>, SentMessage> = async (
  parts,
  write,
  caller,
  { conversationId, runId, ...message },
) => {
  const { tenantId } = caller;
  const what = `conversation ${conversationId}`;
  found(await findConversation(write.tx, tenantId, conversationId), what);
  const asked = await findTurn(write.tx, { tenantId, conversationId, ...(runId !== undefined && { runId }) });
  const run = found(asked, runId === undefined ? `run in ${what} that has begun` : `run ${runId} in ${what}`);
  const request = { ...message, conversationId, prompt: run.prompt };
  const accepted = await startRun(write, parts, actorOf(caller), request, {
    again: { run, beside: true },
    parts: await partsAgain(write.tx, run.id),
  });
  await fireAgain(write, parts, accepted, run, keeping(parts, write, tenantId));
  return toSent(parts, accepted, message.messageId);
};
