// What is true of a tree of subagents once all of it has ended, whatever became of it on the way.
import { expect } from 'vitest';
import type { Database } from '../../activities/store/db/database.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import { mostDepth, mostInAll } from '../../workflows/contracts/delegation.ts';
import { toldTo } from './store.ts';

export interface Tree {
  rootId: string;
  conversationId: string;
}

/** All runs of its conversation, the oldest first. */
export async function runsOf({ db }: Database, { conversationId }: Tree): Promise<RunRow[]> {
  return db
    .selectFrom('runs')
    .selectAll()
    .where('conversation_id', '=', conversationId)
    .orderBy('id')
    .execute();
}

/** Each subagent has reported once, to the run that asked for it, and no call is open. */
export async function expectReported(database: Database, tree: Tree): Promise<void> {
  const { rootId, conversationId } = tree;
  const { db } = database;
  const runs = await runsOf(database, tree);
  const rows = await db.selectFrom('delegations').selectAll().where('root_id', '=', rootId).execute();
  expect(rows.length).toBe(runs.filter(({ kind }) => kind === 'subagent').length);
  expect(rows.length).toBeLessThanOrEqual(mostInAll);
  expect(Math.max(0, ...rows.map(({ ancestors }) => ancestors.length))).toBeLessThanOrEqual(mostDepth);
  const status = runs.find(({ id }) => id === rootId)?.status;
  // A report is told once, in the result of a call or in a message, or late; or it waits in the mailbox, which takes back
  // what a main run was told that failed.
  const told = await db
    .selectFrom('events')
    .select(['stream', 'payload'])
    .where('conversation_id', '=', conversationId)
    .where('type', '=', 'delegation-end')
    .execute();
  const toldOf = (id: string) =>
    told.filter(({ payload }) => (payload as { runId: string }).runId === id).length;
  for (const { state, child_id, async, parent_id } of rows) {
    const stays = async && parent_id === rootId;
    const told = toldOf(child_id);
    const least = state === 'delivered' ? 1 : 0;
    const again = stays && status === 'failed' ? 1 : 0;
    const most = state === 'late' ? 0 : least + again;
    expect([told >= least, told <= most]).toEqual([true, true]);
    expect(state === 'posted' ? stays && status !== 'cancelled' : ['late', 'delivered'].includes(state)).toBe(
      true,
    );
  }
  const late = (await toldTo(database)).filter(({ type }) => type === 'late-write');
  for (const { child_id, state } of rows)
    expect(
      late.filter(({ payload }) => (payload as { what: string }).what.endsWith(`run ${child_id}`)).length,
    ).toBe(state === 'late' ? 1 : 0);
  const open = await db
    .selectFrom('calls')
    .select('call_id')
    .where(
      'run_id',
      'in',
      runs.map(({ id }) => id),
    )
    .where('status', 'in', ['requested', 'running'])
    .execute();
  expect(open).toEqual([]);
}
