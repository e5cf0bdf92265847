// A message that starts a run: the first of a new conversation, or the next of one there is.
import type { Accepted } from '../../activities/store/lifecycle/accept-run.ts';
import { afterEnd, givePlaces } from '../../activities/store/lifecycle/after-end.ts';
import { startRun } from '../../activities/store/lifecycle/start-run.ts';
import type { RunStatus, StartRunBody, StartRunView } from '../../workflows/contracts/run.ts';
import { actorOf, type Verb, type VerbParts } from './verb.ts';

export type SentMessage = Pick<StartRunView, 'id' | 'conversationId' | 'status'>;

export const sendMessage: Verb<StartRunBody, SentMessage> = async (parts, write, caller, message) => {
  const accepted = await startRun(write, parts, actorOf(caller), message);
  const { id, conversation_id: conversationId, status } = accepted.run;
  return {
    body: { id, conversationId, status: status as RunStatus },
    after: () => tellAccepted(parts, accepted),
  };
};

/** After the commit: tells the workflows what the message became. */
export async function tellAccepted(
  { log, runs }: VerbParts,
  { run, became, interrupted, ended }: Accepted,
): Promise<void> {
  if (became === 'started') runs.started(run);
  // A place may have become free since it was looked for.
  if (became === 'waiting')
    for (const admitted of await givePlaces(log, run.tenant_id)) runs.started(admitted);
  if (became === 'steered') runs.wake(run.id);
  if (interrupted) runs.wake(interrupted.id);
  if (ended) for (const admitted of await afterEnd(log, ended)) runs.started(admitted);
}
