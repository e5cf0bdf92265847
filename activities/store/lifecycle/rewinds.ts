// Rewinding a run's project: asked for under the locks of its conversation and the run, begun by the one workflow of the
// row, and ended once. While one is open no call of the run is made, which `runs.rewind_id` tells, and none of a subagent
// of its conversation; another run of that which has a project waits for its place.
import { sql } from 'kysely';
import { v7 as uuid } from 'uuid';
import type { KeptFile, RewindView } from '../../../workflows/contracts/checkpoint.ts';
import type { Db, Queries } from '../db/database.ts';
import type { Write } from '../log/events.ts';
import { type RewindRow, toRewindView } from '../runs/rewinds.ts';
import { type LockedRun, lockRun, type RunRow } from '../runs/runs.ts';
import { tellOfRun } from '../runs/tell-of-run.ts';

/** Every name of a list this long can still be read. */
const mostKept = 1000;
const mostTold = 20;

/** Of a run whose lock, and whose conversation's, the caller holds, and that has none open. */
export async function openRewind(
  write: Write,
  run: Pick<RunRow, 'id' | 'tenant_id' | 'conversation_id' | 'status' | 'executor'>,
  input: { kind?: RewindView['kind']; target: number; by: string; requestId: string },
): Promise<RewindRow> {
  const id = uuid();
  const row = await write.tx
    .with('marked', (db) => db.updateTable('runs').set({ rewind_id: id }).where('id', '=', run.id))
    .insertInto('rewinds')
    .values({
      id,
      tenant_id: run.tenant_id,
      run_id: run.id,
      executor: run.executor,
      kind: input.kind ?? 'rewind',
      target: input.target,
      by: input.by,
      request_id: input.requestId,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  tellOfRun(write, run, { type: 'rewind-start', payload: { ...named(row), by: input.by } });
  return row;
}

/** What the active run has changed is to be taken back at its end, whichever way it ends; the caller holds its lock. */
export async function askUndo(write: Write, run: RunRow, by: string): Promise<void> {
  if (run.undo_by !== null) return;
  run.undo_by = by;
  await write.tx.updateTable('runs').set({ undo_by: by }).where('id', '=', run.id).execute();
}

/** Undefined: it has ended, or belongs to another execution. */
export async function beginRewind(
  queries: Queries,
  { tenantId, rewindId, executionId }: { tenantId: string; rewindId: string; executionId: string },
): Promise<RewindRow | undefined> {
  return queries
    .updateTable('rewinds')
    .set({ execution_id: executionId })
    .where('id', '=', rewindId)
    .where('tenant_id', '=', tenantId)
    .where('status', '=', 'open')
    .where((eb) => eb.or([eb('execution_id', 'is', null), eb('execution_id', '=', executionId)]))
    .returningAll()
    .executeTakeFirst();
}

/** As the project stood when it began: the first look stays. Returns that. */
export async function noteRewindTree(queries: Queries, rewindId: string, tree: string): Promise<string> {
  const { rows } = await sql<{ tree: string }>`update rewinds set tree_before = coalesce(tree_before, ${tree})
    where id = ${rewindId} returning tree_before as tree`.execute(queries);
  return rows[0]?.tree ?? tree;
}

export type RewindEnd =
  | { status: 'done'; tree: string; restored: number; kept: readonly KeptFile[]; isWhole?: boolean }
  | { status: 'failed'; problem: string; kept?: readonly KeptFile[] };

/** Ends it once; does nothing where it has ended. */
export async function endRewind(
  write: Write,
  { tenant_id: tenantId, run_id: runId, id }: Pick<RewindRow, 'tenant_id' | 'run_id' | 'id'>,
  end: RewindEnd,
): Promise<boolean> {
  const run = await lockRun(write, tenantId, runId);
  if (run?.rewind_id !== id) return false;
  const done = end.status === 'done';
  const row = await write.tx
    .with('unmarked', (db) => db.updateTable('runs').set({ rewind_id: null }).where('id', '=', runId))
    .updateTable('rewinds')
    .set({
      status: end.status,
      ended_at: new Date(),
      kept: JSON.stringify({ count: end.kept?.length ?? 0, items: end.kept?.slice(0, mostKept) ?? [] }),
      ...(done
        ? {
            tree_after: end.tree,
            restored: end.restored,
            is_whole: end.isWhole ?? false,
          }
        : { problem: end.problem }),
    })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
  const { kept, keptCount, restored, problem } = toRewindView(row);
  const payload = {
    ...named(row),
    outcome: end.status,
    restored,
    kept: kept.slice(0, mostTold),
    keptCount,
    ...(problem !== null && { problem }),
  };
  tellOfRun(write, run, { type: 'rewind-end', payload });
  return true;
}

function named(row: RewindRow): Pick<RewindView, 'runId' | 'kind' | 'to'> & { rewindId: string } {
  const { kind, to } = toRewindView(row);
  return { runId: row.run_id, rewindId: row.id, kind, to };
}

export async function noteRewindStuck(db: Db, id: string, stuck: string | null): Promise<void> {
  await db.updateTable('rewinds').set({ stuck }).where('id', '=', id).execute();
}

/** A call that is being made may write what would then be compared. */
export async function hasCallUnderWay(queries: Queries, run: LockedRun): Promise<boolean> {
  const row = await queries
    .selectFrom('calls')
    .select('call_id')
    .where('run_id', '=', run.id)
    .where('status', '=', 'running')
    .where('effect', 'in', ['write', 'execute'])
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}
