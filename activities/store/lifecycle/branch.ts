// Runs that do not simply follow the last: a message may go on from an earlier run, in its conversation or in a new one (a
// fork), or be answered anew beside the answer there is. All of them are the same to the chain of runs: another parent.
import { Failure, found } from '../../../workflows/contracts/failures.ts';
import type { RunStatus, StartRunBody } from '../../../workflows/contracts/run.ts';
import { isTerminal, snapshotStatuses } from '../../../workflows/run/transitions.ts';
import type { Queries } from '../db/database.ts';
import type { Write } from '../log/events.ts';
import { findRun, type RunRow } from '../runs/runs.ts';
import { hadNoTurn } from '../runs/turns.ts';

/** Where a run stands in the chain, when its message says so. */
export interface Branch {
  /** The run whose messages it goes on from; null: there is nothing before it. */
  parentId: string | null;
  /** The run whose message it answers anew. */
  alternativeOf?: string;
  /** The run that was told what it is told beside its message. */
  toldAs?: string;
}

/** The run that a message names to go on from: of its conversation, unless it opens one. */
export async function runToGoOnFrom(
  queries: Queries,
  tenantId: string,
  { fromRunId, conversationId, whenBusy }: Pick<StartRunBody, 'fromRunId' | 'conversationId' | 'whenBusy'>,
): Promise<RunRow | undefined> {
  if (fromRunId === undefined) return undefined;
  if (whenBusy === 'steer') {
    const problem =
      'must not be said with whenBusy: steer, since a run that is active goes on from where it is';
    throw new Failure('InvalidInput', `fromRunId ${problem}.`, { fields: [{ path: 'fromRunId', problem }] });
  }
  const run = await findRun(queries, tenantId, fromRunId);
  const isOther = conversationId !== undefined && run?.conversation_id !== conversationId;
  const where = conversationId === undefined ? '' : ` in conversation ${conversationId}`;
  const known = found(isOther ? undefined : run, `run ${fromRunId}${where}`);
  refuseAsParent(known);
  return known;
}

/** What is no main run. */
const kinds: Record<string, string> = {
  subagent: "a subagent's",
  aside: 'a side question',
  title: 'one that made a title',
};

function refuseAsParent(run: RunRow): void {
  const { id, kind, status } = run;
  if (kind !== 'main')
    throw new Failure('NotRunnable', `Run ${id} is ${kinds[kind]}: name a main run of its conversation.`);
  if (!isTerminal(status as RunStatus)) {
    const detail = `Run ${id} is active: wait for its end or interrupt it, then go on from it.`;
    throw new Failure('RunActive', detail, { activeRunId: id });
  }
  if (!snapshotStatuses.includes(status as RunStatus)) {
    const detail = `Run ${id} has ended as ${status} and left nothing to go on from: name a run before it.`;
    throw new Failure('NothingToGoOnFrom', detail);
  }
  if (hadNoTurn(run)) {
    const detail = `Run ${id} has ended before its turn and left nothing to go on from: name another.`;
    throw new Failure('NothingToGoOnFrom', detail);
  }
}

/** The place beside a run, whose message is answered anew. */
export function besideRun(run: RunRow): Branch {
  const { id, parent_id: parentId } = run;
  if (run.kind !== 'main')
    throw new Failure('NotRunnable', `Run ${id} is ${kinds[run.kind]}: only main runs answer anew.`);
  if (run.parked || hadNoTurn(run)) {
    const detail = `The turn of run ${id} has not come, so that its message has no place yet: send that again.`;
    throw new Failure('NotRunnable', detail);
  }
  // One that came to nothing has given back what it was told.
  const isLeft = !isTerminal(run.status as RunStatus) || snapshotStatuses.includes(run.status as RunStatus);
  return { parentId, alternativeOf: run.alternative_of ?? id, ...(isLeft && { toldAs: id }) };
}

/** The run is not deleted before this transaction ends. Its conversation is locked before it, as in a deletion. */
export async function holdParent({ tx }: Write, tenantId: string, { parentId }: Branch): Promise<void> {
  if (parentId === null) return;
  const run = await findRun(tx, tenantId, parentId);
  if (run)
    await tx
      .selectFrom('conversations')
      .select('id')
      .where('id', '=', run.conversation_id)
      .forKeyShare()
      .execute();
  const held = await tx
    .selectFrom('runs')
    .select('id')
    .where('id', '=', parentId)
    .forKeyShare()
    .executeTakeFirst();
  found(held, `run ${parentId} any more`);
}
