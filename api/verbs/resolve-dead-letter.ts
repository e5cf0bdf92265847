// Trying a dead letter again: a stuck run gets another execution, a run hears that it may make a call again, what a
// failed run was asked is asked again in a new run, and what a webhook did not take is sent again.
import type { Accepted } from '../../activities/store/lifecycle/accept-run.ts';
import { handOver } from '../../activities/store/lifecycle/begin-run.ts';
import { fireAgain } from '../../activities/store/lifecycle/fire.ts';
import { startRun } from '../../activities/store/lifecycle/start-run.ts';
import {
  type DeadLetterRow,
  findDeadLetter,
  resolveDeadLetter,
  retryMessageId,
  toDeadLetterView,
} from '../../activities/store/runs/dead-letters.ts';
import type { Write } from '../../activities/store/log/events.ts';
import { chainOf, type HeldPools, holdPools } from '../../activities/store/allowances/run-places.ts';
import { addInput } from '../../activities/store/runs/inputs.ts';
import { lockDispatcher } from '../../activities/store/tasks/dispatchers.ts';
import { repeatTask } from '../../activities/store/tasks/tasks.ts';
import { lockForDelivery, redeliver } from '../../activities/store/webhooks/deliveries.ts';
import { type LockedRun, lockRunAndConversation, type RunRow } from '../../activities/store/runs/runs.ts';
import { Failure, found } from '../../workflows/contracts/failures.ts';
import type { RunStatus, StartRunBody } from '../../workflows/contracts/run.ts';
import type { DeadLetterView } from '../../workflows/contracts/system.ts';
import { isTerminal } from '../../workflows/run/transitions.ts';
import { keeping } from './fire-mailbox.ts';
import { partsAgain } from './input-parts.ts';
import { tellAccepted } from './send-message.ts';
import { tellDispatcher } from './change-task.ts';
import { tellWebhook } from './change-webhook.ts';
import { actorOf, type Caller, type Verb, type VerbParts } from './verb.ts';

type Resolve = { letterId: string };

export const retryDeadLetter: Verb<Resolve, DeadLetterView> = async (parts, write, caller, { letterId }) => {
  const { tenantId, by } = actorOf(caller);
  const known = found(await findDeadLetter(write.tx, tenantId, letterId), `dead letter ${letterId}`);
  const { run_id: runId } = known;
  if (runId === null) throw new Error(`Dead letter ${letterId} is of no run.`);
  // The new run draws from the first run's pools. The one lock order is: pools, the run, the letter.
  const pools = await chainOf(write.tx, runId);
  const held = await holdPools(write.tx, { tenantId, others: pools });
  const run = await lockRunAndConversation(write, tenantId, runId);
  if (!run) throw new Error(`Dead letter ${letterId} is of run ${runId}, which is not there.`);
  const letter = await resolveDeadLetter(write, { tenantId, id: letterId, resolution: 'retried', by });
  if (isTerminal(run.status as RunStatus)) {
    const accepted = await askAgain(parts, write, caller, { run, letter, held });
    return { body: viewOf(letter, accepted.run), after: () => tellAccepted(parts, accepted) };
  }
  const after =
    letter.kind === 'run'
      ? await retryRun(parts, write, run)
      : await retryCall(parts, write, { run, letter, by });
  return { body: viewOf(letter), after };
};

export const dropDeadLetter: Verb<Resolve, DeadLetterView> = async (_parts, write, caller, { letterId }) => {
  const { tenantId, by } = actorOf(caller);
  return {
    body: viewOf(await resolveDeadLetter(write, { tenantId, id: letterId, resolution: 'dropped', by })),
  };
};

function viewOf(letter: DeadLetterRow, again?: { id: string }): DeadLetterView {
  return toDeadLetterView({ ...letter, retried_as: again?.id ?? null });
}

/** Under its message id of before; what came behind it has gone on. */
export const retryWebhookLetter: Verb<Resolve & { deliveryId: string }, DeadLetterView> = async (
  parts,
  write,
  caller,
  { letterId, deliveryId },
) => {
  const { tenantId, by } = actorOf(caller);
  // Before the letter, as everywhere.
  const webhook = await lockForDelivery(write, tenantId, deliveryId);
  const letter = await resolveDeadLetter(write, { tenantId, id: letterId, resolution: 'retried', by });
  await redeliver(write, webhook, deliveryId);
  return { body: viewOf(letter), after: () => tellWebhook(parts, webhook) };
};

/** A failed task stays failed: another as it was takes its place. */
export const retryTaskLetter: Verb<Resolve & { taskId: string }, DeadLetterView> = async (
  parts,
  write,
  caller,
  { letterId, taskId },
) => {
  const author = actorOf(caller);
  const { tenantId, by } = author;
  // Before the letter, as everywhere.
  const dispatcher = await lockDispatcher(write, tenantId);
  const letter = await resolveDeadLetter(write, { tenantId, id: letterId, resolution: 'retried', by });
  const task = await repeatTask(write, taskId, author, letterId);
  return { body: viewOf(letter, task), after: () => tellDispatcher(parts, dispatcher) };
};

/**
 * An ended run stays ended: its stream is closed, its conversation may have gone on. But a failed run is in no context,
 * so what it was asked can be asked again as if for the first time.
 */
async function askAgain(
  parts: VerbParts,
  write: Write,
  caller: Caller,
  { run, letter, held }: { run: RunRow; letter: DeadLetterRow; held: HeldPools },
): Promise<Accepted> {
  const refused =
    letter.kind === 'call'
      ? 'no call of an ended run is made again'
      : run.kind === 'aside' || run.kind === 'title'
        ? 'what is beside the conversation is asked anew'
        : run.status === 'failed'
          ? undefined
          : 'only what a failed run was asked is asked again';
  if (refused !== undefined) {
    const what = `Run ${run.id} has ended as ${run.status}, and ${refused}`;
    throw new Failure('RunEnded', `${what}: send a new message, or drop this dead letter.`);
  }
  const request: StartRunBody = {
    conversationId: run.conversation_id,
    prompt: run.prompt,
    messageId: retryMessageId(letter),
    // A person who asks for another try need not watch for the moment in which the conversation is idle.
    whenBusy: 'queue',
  };
  const accepted = await startRun(write, parts, actorOf(caller), request, {
    again: { run, held },
    parts: await partsAgain(write.tx, run.id),
  });
  await fireAgain(write, parts, accepted, run, keeping(parts, write, caller.tenantId));
  return accepted;
}

/** Takes the run away from its execution; the next is started after the commit, or by the sweeper. */
async function retryRun(parts: VerbParts, write: Write, run: RunRow): Promise<() => void> {
  if (run.stuck === null) {
    throw new Failure(
      'NotRunnable',
      `Run ${run.id} is not stuck any more and goes on by itself; drop this dead letter instead.`,
    );
  }
  const handedOver = await handOver(write, run);
  return () => parts.runs.started(handedOver);
}

async function retryCall(
  parts: VerbParts,
  write: Write,
  { run, letter, by }: { run: LockedRun; letter: DeadLetterRow; by: string },
): Promise<() => void> {
  await addInput(write, run, {
    kind: 'settle',
    messageId: retryMessageId(letter),
    text: `A person looked at call ${letter.call_id}, which was given up (${letter.reason}): it may be tried again.`,
    by,
  });
  return () => parts.runs.wake(run.id);
}
