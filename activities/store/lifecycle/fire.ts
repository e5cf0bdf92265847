// A continuation that is told what the mailbox of its conversation holds. It is accepted and told in one transaction: what
// is refused or crashes before the commit leaves all of it pending.
import { Failure } from '../../../workflows/contracts/failures.ts';
import { drainMailbox, hasGivenBack, lastDrainOf, listToWake, type ToWake } from '../delegation/mailbox.ts';
import type { Keep } from '../delegation/reports.ts';
import type { Write } from '../log/events.ts';
import type { RunRow } from '../runs/runs.ts';
import type { Accepted } from './accept-run.ts';
import { type StartNeeds, type Starter, startRun } from './start-run.ts';

// What people see of it where they say nothing themselves.
const usualPrompt = 'Go on with what your subagents report.';

export async function fire(
  write: Write,
  needs: StartNeeds,
  starter: Starter,
  { conversationId, prompt = usualPrompt }: { conversationId: string; prompt?: string | undefined },
  keep: Keep,
): Promise<Accepted> {
  const accepted = await continueWith(write, needs, starter, { conversationId, prompt });
  const { told } = await drainMailbox(write, accepted.run, { ...needs, keep });
  if (told > 0) return accepted;
  const last = await lastDrainOf(write.tx, conversationId);
  const who = last === undefined ? '' : ` Run ${last} was told the last of them.`;
  throw new Failure('MailboxEmpty', `No report waits in the mailbox of this conversation.${who}`, {
    ...(last !== undefined && { lastRunId: last }),
  });
}

/** Wakes a conversation, once: whether it is still to be woken is looked at again under its lock. */
export async function wakeUp(
  write: Write,
  needs: StartNeeds,
  { id: conversationId, tenantId }: Pick<ToWake, 'id' | 'tenantId'>,
  keep: Keep,
): Promise<Accepted> {
  const starter = {
    tenantId,
    by: 'auto wake-up',
    requestId: `wake-up/${conversationId}`,
    woken: true as const,
  };
  const accepted = await continueWith(write, needs, starter, { conversationId, prompt: usualPrompt });
  const [due] = await listToWake(write.tx, 1, { conversationId, accepted: accepted.run.id });
  if (!due) throw new Overtaken();
  await drainMailbox(write, accepted.run, { ...needs, keep, over: due.over });
  return accepted;
}

/**
 * The message of a run that came to nothing is answered anew: where that run has given back what it was told, the other
 * one is told all that waits by now.
 */
export async function fireAgain(
  write: Write,
  needs: Pick<StartNeeds, 'windowOf'>,
  { run, became }: Accepted,
  before: Pick<RunRow, 'id'>,
  keep: Keep,
): Promise<void> {
  if (became === 'known' || became === 'steered') return;
  if (await hasGivenBack(write.tx, before.id)) await drainMailbox(write, run, { ...needs, keep });
}

/** What was seen before the lock is not so any more: nothing is to be done. */
export class Overtaken extends Error {}

async function continueWith(
  write: Write,
  needs: StartNeeds,
  starter: Starter,
  message: { conversationId: string; prompt: string },
): Promise<Accepted> {
  const taking = { ...starter, takesUp: true as const };
  const accepted = await startRun(write, needs, taking, { ...message, whenBusy: 'reject' });
  // A run that waits for an answer would take the words for that.
  if (accepted.became !== 'steered') return accepted;
  throw new Failure('ConversationBusy', `Run ${accepted.run.id} waits for an answer: give that first.`, {
    activeRunId: accepted.run.id,
  });
}
