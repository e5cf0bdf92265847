// What folders on disk are asked about: which runs there are, and which recorded trees they name.
import { sql } from 'kysely';
import type { Queries } from '../db/database.ts';

/** Of any tenant: a folder has none. */
export async function existingRuns(queries: Queries, ids: readonly string[]): Promise<Set<string>> {
  const { rows } = await sql<{ id: string }>`select id from runs where id = any(${ids}::uuid[])`.execute(
    queries,
  );
  return new Set(rows.map(({ id }) => id));
}

/** Those that have a run with a tree of its own, of any tenant. */
export async function existingConversations(queries: Queries, ids: readonly string[]): Promise<Set<string>> {
  const { rows } = await sql<{ id: string }>`select distinct conversation_id as id from runs
    where conversation_id = any(${ids}::uuid[]) and work_tree = 'own'`.execute(queries);
  return new Set(rows.map(({ id }) => id));
}

export interface ProjectOfRuns {
  /** The project's path, as its runs have it. */
  path: string;
  /** A run is at work in it. */
  active: boolean;
}

export async function projectsOfRuns(queries: Queries): Promise<ProjectOfRuns[]> {
  const { rows } = await sql<ProjectOfRuns>`
    select project_path as path, bool_or(ended_at is null or rewind_id is not null) as active
    from runs where project_path is not null group by project_path`.execute(queries);
  return rows;
}

/** The recorded trees that the runs of a project name. */
export async function treesOfProject(queries: Queries, path: string): Promise<string[]> {
  const { rows } = await sql<{ tree: string }>`
    select distinct tree from runs cross join lateral (
      select start_tree as tree union all select end_tree
      union all select tree_before from checkpoints where run_id = runs.id
      union all select tree_after from checkpoints where run_id = runs.id
    ) recorded
    where project_path = ${path} and tree is not null`.execute(queries);
  return rows.map(({ tree }) => tree);
}

/** Those of the runs that have not ended; of ids without a run none. */
export async function livingAmong(queries: Queries, runIds: string[]): Promise<string[]> {
  const rows = await queries
    .selectFrom('runs')
    .select('id')
    .where('id', 'in', runIds)
    .where('ended_at', 'is', null)
    .execute();
  return rows.map((row) => row.id);
}
