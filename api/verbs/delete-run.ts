// Deleting a finished run or conversation for good. Nothing that is active goes, and nothing that others descend from.
// A message that is sent again after its run was deleted starts a new one: its id is gone with it.
import type { Transaction } from 'kysely';
import { addAudit } from '../../activities/store/access/audit.ts';
import { closeAccount } from '../../activities/store/allowances/allowances.ts';
import type { DB } from '../../activities/store/db/tables.ts';
import type { Write } from '../../activities/store/log/events.ts';
import {
  activeAbove,
  activeBelow,
  type Deleted,
  deleteRuns,
  descendantsOf,
  runsOf,
  taskBy,
} from '../../activities/store/retention/delete-runs.ts';
import { findConversation, lockConversation } from '../../activities/store/runs/conversations.ts';
import { findRun } from '../../activities/store/runs/runs.ts';
import { Failure, found } from '../../workflows/contracts/failures.ts';
import type { DeletedView } from '../../workflows/contracts/retention.ts';
import { actorOf, type Caller, type Verb } from './verb.ts';

// Enough to see what is in the way.
const mostNamed = 20;

const remains = [
  'audit: who decided what, for ever',
  'ledger: what was used, as entries and later as sums of months',
  'content: what no other call names goes within two days, recorded trees within two weeks',
  'Temporal: the history of its closed workflow, ids and short summaries, as long as the namespace keeps it (a week unless it is yours)',
];

export const deleteRun: Verb<{ runId: string }, DeletedView> = async (_parts, write, caller, { runId }) => {
  const { tenantId } = actorOf(caller);
  const what = `run ${runId}`;
  const known = found(await findRun(write.tx, tenantId, runId), what);
  // Pools are locked first; for a run that has not ended this changes nothing.
  await closeAccount(write.tx, { tenantId, runId });
  const conversationId = known.conversation_id;
  found(await lockConversation(write.tx, tenantId, conversationId), what);
  const run = found(
    (await runsOf(write.tx, tenantId, conversationId)).find(({ id }) => id === runId),
    what,
  );
  if (run.active) {
    throw new Failure('RunActive', `Run ${runId} is active: interrupt or cancel it, then delete it.`, {
      activeRunId: runId,
    });
  }
  refuseRewinding([run]);
  const above = await activeAbove(write.tx, runId);
  if (above !== undefined) {
    const detail = `Run ${runId} is a subagent of run ${above}, which is active: interrupt or cancel that, then delete it.`;
    throw new Failure('RunActive', detail, { activeRunId: above });
  }
  const below = await activeBelow(write.tx, known);
  if (below !== undefined) {
    const detail = `Run ${below}, a subagent of run ${runId}, is active: interrupt or cancel it, then delete run ${runId}.`;
    throw new Failure('RunActive', detail, { activeRunId: below });
  }
  await refuseUnsettled(write, [runId]);
  await refuseDescendants(write, [runId], what);
  return finish(write, caller, { conversationId, runIds: [runId] });
};

export const deleteConversation: Verb<{ conversationId: string }, DeletedView> = async (
  _parts,
  write,
  caller,
  { conversationId },
) => {
  const { tenantId } = actorOf(caller);
  const what = `conversation ${conversationId}`;
  found(await findConversation(write.tx, tenantId, conversationId), what);
  for (const { id } of await runsOf(write.tx, tenantId, conversationId, false))
    await closeAccount(write.tx, { tenantId, runId: id });
  found(await lockConversation(write.tx, tenantId, conversationId), what);
  const runs = await runsOf(write.tx, tenantId, conversationId);
  const active = runs.find((run) => run.active);
  if (active) {
    const detail = `Run ${active.id} of it is active: interrupt or cancel it, then delete the conversation.`;
    throw new Failure('ConversationBusy', detail, { activeRunId: active.id });
  }
  refuseRewinding(runs);
  const runIds = runs.map(({ id }) => id);
  if (runIds.length > 0) {
    await refuseUnsettled(write, runIds);
    await refuseDescendants(write, runIds, what);
  }
  return finish(write, caller, { conversationId, runIds });
};

/** What is recorded of a run is what its files are brought back from. */
function refuseRewinding(runs: readonly { id: string; rewinding: boolean }[]): void {
  const run = runs.find(({ rewinding }) => rewinding);
  if (run === undefined) return;
  const detail = `Run ${run.id} is being rewound or brought home: try again when that is done.`;
  throw new Failure('RewindOpen', detail);
}

async function refuseUnsettled(write: Write, runIds: string[]): Promise<void> {
  const task = await taskBy(write.tx, runIds);
  if (!task) return;
  const detail = `Task ${task.id} has not taken note of the end of run ${task.run_id} yet: try again in a moment, or cancel the task.`;
  throw new Failure('RunActive', detail, { activeRunId: task.run_id });
}

async function refuseDescendants(write: Write, runIds: string[], what: string): Promise<void> {
  const descendants = await descendantsOf(write.tx, runIds, mostNamed);
  if (descendants.length === 0) return;
  const which = descendants.length === mostNamed ? `the first ${mostNamed}: ` : '';
  throw new Failure(
    'HasDescendants',
    `Other runs go on from ${what} (${which}${descendants.join(', ')}): delete those first.`,
    { descendants },
  );
}

async function finish(
  write: Write,
  caller: Caller,
  { conversationId, runIds }: { conversationId: string; runIds: string[] },
): Promise<{ body: DeletedView }> {
  const { tenantId, by } = actorOf(caller);
  const { bytes: _, ...deleted }: Deleted = await deleteRuns(write.tx as Transaction<DB>, {
    tenantId,
    conversationId,
    runIds,
  });
  await addAudit(
    write,
    runIds.map((runId) => ({
      ...{ tenantId, actor: by, action: 'run-delete', runId },
      reason: 'asked for',
      detail: { conversationId },
    })),
  );
  return { body: { ...deleted, remains } };
}
