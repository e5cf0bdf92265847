// What the end of a run means for its own tree: whether it has changes, and whether they come home by themselves.
import { Failure } from '../../../workflows/contracts/failures.ts';
import type { Queries } from '../db/database.ts';
import type { Write } from '../log/events.ts';
import { atHome, othersAtWork } from '../runs/own-trees.ts';
import type { RewindRow } from '../runs/rewinds.ts';
import type { RunRow } from '../runs/runs.ts';
import { holdProject } from './project-writers.ts';
import { openRewind } from './rewinds.ts';

/**
 * Its own, or what a run before it has left to it. Where none of its trees was recorded it has none; what comes home
 * otherwise, bringing it home finds out.
 */
async function hasOwnChanges(queries: Queries, run: RunRow): Promise<boolean> {
  const { work_tree: workTree, start_tree: start, end_tree: end } = run;
  if (workTree !== 'own' || start === null || end === null) return false;
  return start !== end || ((await atHome(queries, run)) ?? end) !== end;
}

/** One that a message of its conversation goes on from leaves it to the next: both work on one tree. */
export async function homecomingOf(
  queries: Queries,
  run: RunRow,
  goesOn: unknown,
): Promise<{ hasChanges: boolean; comesHome: boolean }> {
  const hasChanges = await hasOwnChanges(queries, run);
  return { hasChanges, comesHome: run.brings_home && run.status === 'succeeded' && !goesOn && hasChanges };
}

/** Where another run writes in the project, or in the tree itself, people bring it home when that has ended. */
export async function bringHome(write: Write, run: RunRow): Promise<RewindRow | undefined> {
  const { id, tenant_id: tenantId, conversation_id: conversationId, project_path: projectPath } = run;
  if (projectPath === null || run.rewind_id !== null) return undefined;
  if ((await othersAtWork(write.tx, run)).length > 0) return undefined;
  try {
    const { executor } = run;
    await holdProject(write, { tenantId, conversationId, projectPath, executor, exceptRun: id });
  } catch (error) {
    if (error instanceof Failure && error.code === 'ProjectBusy') return undefined;
    throw error;
  }
  return openRewind(write, run, {
    kind: 'apply',
    target: 0,
    by: run.accepted_by,
    requestId: run.request_id,
  });
}
