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

export interface ProjectTrees {
  /** The project's path, as its runs have it. */
  path: string;
  /** A run is at work in it. */
  active: boolean;
  trees: string[];
}

export async function projectTrees(queries: Queries): Promise<ProjectTrees[]> {
  const { rows } = await sql<ProjectTrees>`
    select project_path as path, bool_or(ended_at is null) as active,
      coalesce(array_agg(distinct tree) filter (where tree is not null), '{}') as trees
    from runs cross join lateral (values (start_tree), (end_tree)) as recorded (tree)
    where project_path is not null group by project_path`.execute(queries);
  return rows;
}
