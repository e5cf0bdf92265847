// The trees that conversations have of their own: what each was made from, and how much of it has come home.
import type { Queries } from '../db/database.ts';
import type { RunRow } from './runs.ts';

type Of = Pick<RunRow, 'id' | 'tenant_id' | 'conversation_id' | 'project_path'>;

/** The tree of the project that the conversation's own one was made from; undefined before it is made. */
export async function originOf(queries: Queries, run: Of): Promise<string | undefined> {
  const first = await queries
    .selectFrom('runs')
    .select('start_tree')
    .where('conversation_id', '=', run.conversation_id)
    .where('tenant_id', '=', run.tenant_id)
    .where('project_path', '=', run.project_path)
    .where('work_tree', '=', 'own')
    .where('start_tree', 'is not', null)
    .orderBy('id')
    .limit(1)
    .executeTakeFirst();
  return first?.start_tree ?? undefined;
}

/** What of it is at home: the own tree as it last came home as a whole, else what it was made from. */
export async function atHome(queries: Queries, run: Of): Promise<string | undefined> {
  const applied = await queries
    .selectFrom('rewinds')
    .innerJoin('runs', 'runs.id', 'rewinds.run_id')
    .select('rewinds.tree_before')
    .where('runs.conversation_id', '=', run.conversation_id)
    .where('runs.tenant_id', '=', run.tenant_id)
    .where('runs.project_path', '=', run.project_path)
    .where('rewinds.kind', '=', 'apply')
    .where('rewinds.status', '=', 'done')
    .where('rewinds.is_whole', '=', true)
    .orderBy('rewinds.id', 'desc')
    .limit(1)
    .executeTakeFirst();
  return applied?.tree_before ?? (await originOf(queries, run));
}

/** Other runs that may write in the same tree: the main one, or subagents, which may outlive that. */
export async function othersAtWork(
  queries: Queries,
  run: Of & Pick<RunRow, 'work_tree'>,
): Promise<Pick<RunRow, 'id' | 'kind' | 'may_write'>[]> {
  return queries
    .selectFrom('runs')
    .select(['id', 'kind', 'may_write'])
    .where('conversation_id', '=', run.conversation_id)
    .where('tenant_id', '=', run.tenant_id)
    .where('project_path', '=', run.project_path)
    .where('work_tree', '=', run.work_tree)
    .where('ended_at', 'is', null)
    .where('parked', '=', false)
    .where('id', '<>', run.id)
    .orderBy('id')
    .execute();
}
