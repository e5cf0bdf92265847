// Checkpoints: what the project of a run held before and after each call that may write, and before and after each time
// the run was rewound. Numbered in a run from 1.
import { type Selectable, sql } from 'kysely';
import type { CheckpointView } from '../../../workflows/contracts/checkpoint.ts';
import type { Queries } from '../db/database.ts';
import type { Checkpoints } from '../db/tables.ts';
import type { RunRow } from './runs.ts';

export type CheckpointRow = Selectable<Checkpoints>;

type Of = Pick<RunRow, 'id' | 'tenant_id'>;
type Cause = { callId: string } | { rewindId: string };

/** Of a call that was begun before, or a rewind, the first look stays: it was before anything was changed. */
export async function noteBefore(
  queries: Queries,
  run: Of,
  cause: Cause,
  seen: { tree: string | null; files: readonly string[]; firstSeen: readonly string[] },
): Promise<void> {
  const [callId, rewindId] = 'callId' in cause ? [cause.callId, null] : [null, cause.rewindId];
  await sql`insert into checkpoints (run_id, number, tenant_id, call_id, rewind_id, tree_before, files, first_seen)
    select ${run.id}, coalesce(max(number), 0) + 1, ${run.tenant_id}, ${callId}, ${rewindId}::uuid, ${seen.tree},
      ${seen.files}::text[], ${seen.firstSeen}::text[]
    from checkpoints where run_id = ${run.id}
    having not exists (select from checkpoints known where known.run_id = ${run.id}
      and (known.call_id = ${callId} or known.rewind_id = ${rewindId}::uuid))`.execute(queries);
}

export async function noteAfter(
  queries: Queries,
  run: Of,
  cause: Cause,
  seen: { tree: string; goesOn: boolean },
): Promise<void> {
  const query = queries
    .updateTable('checkpoints')
    .set({ tree_after: seen.tree, goes_on: seen.goesOn })
    .where('run_id', '=', run.id);
  await ('callId' in cause
    ? query.where('call_id', '=', cause.callId)
    : query.where('rewind_id', '=', cause.rewindId)
  ).execute();
}

/** In their order. */
export async function checkpointsOf(queries: Queries, run: Of, from = 1): Promise<CheckpointRow[]> {
  return queries
    .selectFrom('checkpoints')
    .selectAll()
    .where('run_id', '=', run.id)
    .where('tenant_id', '=', run.tenant_id)
    .where('number', '>=', from)
    .orderBy('number')
    .execute();
}

/** What the run did to its project in one piece, as it is compared. */
export interface CheckpointSpan {
  number: number;
  rewindId: string | null;
  before: string | null;
  after: string | null;
  firstSeen: string[];
  goesOn: boolean;
  files: string[];
}

/**
 * In their order. Behind a call that was ended with its run, or whose command went on until then, the first look is that
 * of the run's end.
 */
export function toSpans(
  rows: readonly CheckpointRow[],
  { ended_at: endedAt, end_tree: endTree }: Pick<RunRow, 'ended_at' | 'end_tree'>,
): CheckpointSpan[] {
  const lastOfRun = rows.findLast(({ created_at: at }) => endedAt === null || at < endedAt);
  return rows.map((row) => {
    const { number, rewind_id: rewindId, tree_before: before, first_seen: firstSeen } = row;
    const span = {
      number,
      rewindId,
      before,
      after: row.tree_after,
      firstSeen,
      goesOn: row.goes_on,
      files: row.files,
    };
    const lastsToTheEnd =
      endedAt !== null && row === lastOfRun && row.call_id !== null && (row.goes_on || span.after === null);
    return lastsToTheEnd && endTree !== null ? { ...span, after: endTree, goesOn: false } : span;
  });
}

/** Undefined where calls that may write were made before there were checkpoints. */
export async function recordedSpans(queries: Queries, run: RunRow): Promise<CheckpointSpan[] | undefined> {
  const rows = await checkpointsOf(queries, run);
  if (rows.length > 0) return toSpans(rows, run);
  const made = await queries
    .selectFrom('calls')
    .select('call_id')
    .where('run_id', '=', run.id)
    .where('effect', 'in', ['write', 'execute'])
    .where('started_at', 'is not', null)
    .limit(1)
    .executeTakeFirst();
  return made ? undefined : [];
}

/** The files that file tools of the run changed, by real paths: they are recorded even where they are ignored. */
export async function filesOf(queries: Queries, runId: string): Promise<string[]> {
  const { rows } = await sql<{ file: string }>`select distinct file from checkpoints, unnest(files) as file
    where run_id = ${runId} order by file`.execute(queries);
  return rows.map(({ file }) => file);
}

export interface CheckpointList {
  tenantId: string;
  runId: string;
  limit: number;
  /** The number of the last one of the page before. */
  after?: number;
}

type ListedCheckpoint = CheckpointRow & { tool: string | null; subject: string | null };

export async function listCheckpoints(
  queries: Queries,
  { tenantId, runId, limit, after = 0 }: CheckpointList,
): Promise<ListedCheckpoint[]> {
  return queries
    .selectFrom('checkpoints')
    .leftJoin('calls', (join) =>
      join
        .onRef('calls.run_id', '=', 'checkpoints.run_id')
        .onRef('calls.call_id', '=', 'checkpoints.call_id'),
    )
    .selectAll('checkpoints')
    .select(['calls.tool', 'calls.subject'])
    .where('checkpoints.run_id', '=', runId)
    .where('checkpoints.tenant_id', '=', tenantId)
    .where('number', '>', after)
    .orderBy('number')
    .limit(limit)
    .execute();
}

export function toCheckpointView(row: ListedCheckpoint): CheckpointView {
  return {
    runId: row.run_id,
    number: row.number,
    callId: row.call_id,
    rewindId: row.rewind_id,
    tool: row.tool,
    subject: row.subject,
    tree: row.tree_before,
    treeAfter: row.tree_after,
    changed: row.tree_before === null || row.tree_after === null ? null : row.tree_before !== row.tree_after,
    at: row.created_at.toISOString(),
  };
}
