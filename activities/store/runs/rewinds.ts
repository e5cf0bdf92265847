// Rewinds of a run's project: reading them, and the view people get. Asking for one and ending it have a file of their
// own.
import { type RawBuilder, type Selectable, sql } from 'kysely';
import type {
  HomecomingView,
  KeptFile,
  RewindBody,
  RewindView,
} from '../../../workflows/contracts/checkpoint.ts';
import type { Db, Queries } from '../db/database.ts';
import type { Rewinds } from '../db/tables.ts';
import type { RunRow } from './runs.ts';

export type RewindRow = Selectable<Rewinds>;

/** The number of a checkpoint, or 0 for the start of the run, as rows have it. */
export function targetOf(to: RewindBody['to']): number {
  return to === 'start' ? 0 : to;
}

export async function findRewind(
  queries: Queries,
  of: { tenantId: string; runId: string; rewindId: string },
): Promise<RewindRow | undefined> {
  return queries
    .selectFrom('rewinds')
    .selectAll()
    .where('id', '=', of.rewindId)
    .where('run_id', '=', of.runId)
    .where('tenant_id', '=', of.tenantId)
    .executeTakeFirst();
}

/** Open ones, by id; `olderThanMs`: of these only such as no workflow has begun. */
export async function listOpenRewinds(
  db: Db,
  { olderThanMs, limit, afterId }: { olderThanMs?: number; limit: number; afterId?: string | undefined },
): Promise<RewindRow[]> {
  let query = db.selectFrom('rewinds').selectAll().where('status', '=', 'open').orderBy('id').limit(limit);
  if (olderThanMs !== undefined)
    query = query
      .where('execution_id', 'is', null)
      .where('created_at', '<', new Date(Date.now() - olderThanMs));
  if (afterId !== undefined) query = query.where('id', '>', afterId);
  return query.execute();
}

/**
 * The runs of a conversation whose project is being rewound or whose changes are being brought home, as a part of a query.
 * Until that is done no other run of the conversation with a project begins, and none makes a call.
 */
export function rewoundOf(conversationId: RawBuilder<unknown>): RawBuilder<{ id: string }> {
  return sql`select rewound.id from rewinds join runs rewound on rewound.id = rewinds.run_id
    where rewinds.status = 'open' and rewound.conversation_id = ${conversationId}`;
}

/** One of them. The lock of the conversation keeps another from being opened meanwhile. */
export async function rewoundIn(queries: Queries, conversationId: string): Promise<string | undefined> {
  const { rows } = await sql<{ id: string }>`${rewoundOf(sql.val(conversationId))} limit 1`.execute(queries);
  return rows[0]?.id;
}

// Enough to see what is in the way; the rewind itself names more.
const mostNamed = 20;

/** Of each run with a tree of its own, the newest try to bring its changes home. */
export async function homecomingsOf(
  queries: Queries,
  runs: readonly Pick<RunRow, 'id' | 'work_tree' | 'ended_at'>[],
): Promise<Map<string, HomecomingView>> {
  // Most runs have none: they cost no query.
  const own = runs.filter((run) => run.work_tree === 'own' && run.ended_at !== null).map(({ id }) => id);
  if (own.length === 0) return new Map();
  const { rows } = await sql<HomecomingView & { runId: string }>`
    select distinct on (run_id) run_id as "runId", id, status, restored, coalesce(problem, stuck) as problem,
      coalesce((kept->>'count')::int, 0) as "keptCount",
      jsonb_path_query_array(kept, ${`$.items[0 to ${mostNamed - 1}]`}::jsonpath) as kept
    from rewinds where run_id = any(${own}::uuid[]) and kind = 'apply' order by run_id, id desc`.execute(
    queries,
  );
  return new Map(rows.map(({ runId, ...view }) => [runId, view]));
}

export function toRewindView(row: RewindRow): RewindView {
  const { count = 0, items = [] } = row.kept as { count?: number; items?: KeptFile[] };
  return {
    id: row.id,
    runId: row.run_id,
    kind: row.kind as RewindView['kind'],
    to: row.kind === 'apply' ? 'home' : row.target === 0 ? 'start' : row.target,
    status: row.status as RewindView['status'],
    restored: row.restored,
    kept: items,
    keptCount: count,
    tree: row.tree_after,
    problem: row.problem ?? row.stuck,
    by: row.by,
    createdAt: row.created_at.toISOString(),
    endedAt: row.ended_at?.toISOString() ?? null,
  };
}
