// A message that starts a run: the first of a new conversation, or the next of one there is.
import type { Accepted } from '../../activities/store/lifecycle/accept-run.ts';
import { afterAccept } from '../../activities/store/lifecycle/after-accept.ts';
import { startRun } from '../../activities/store/lifecycle/start-run.ts';
import type { RunStatus, StartRunBody, StartRunView } from '../../workflows/contracts/run.ts';
import { storedParts } from './input-parts.ts';
import { actorOf, type Outcome, type Verb, type VerbParts } from './verb.ts';

export type SentMessage = Pick<StartRunView, 'id' | 'conversationId' | 'status' | 'became'>;

export const sendMessage: Verb<StartRunBody, SentMessage> = async (parts, write, caller, message) => {
  const carried = await storedParts(parts, write, caller.tenantId, message.parts);
  const accepted = await startRun(write, parts, actorOf(caller), message, { parts: carried });
  return toSent(parts, accepted, message.messageId);
};

/** What its sender hears of it. */
export function toSent(parts: VerbParts, accepted: Accepted, messageId?: string): Outcome<SentMessage> {
  const { id, conversation_id: conversationId, status } = accepted.run;
  return {
    body: { id, conversationId, status: status as RunStatus, became: becameOf(accepted, messageId) },
    after: () => tellAccepted(parts, accepted),
  };
}

/** One that was sent before: what it is now. */
function becameOf({ run, became, ended }: Accepted, messageId: string | undefined): SentMessage['became'] {
  const isOwn = became === 'known' ? run.message_id === messageId : became !== 'steered';
  if (!isOwn) return 'steered';
  return run.parked && ended?.promoted?.id !== run.id ? 'parked' : 'run';
}

/** After the commit: tells the workflows what the message became. */
export async function tellAccepted({ log, runs }: VerbParts, accepted: Accepted): Promise<void> {
  const { start, wake } = await afterAccept(log, accepted);
  for (const run of start) runs.started(run);
  for (const runId of wake) runs.wake(runId);
}
