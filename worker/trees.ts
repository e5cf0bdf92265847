// Where the trees of projects are kept: one git directory of our own per project, outside of it.
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { type ActivityDeps, ProjectProblem } from '../activities/deps.ts';
import { diffTree, recordTree } from '../activities/git/tree.ts';
import type { RunRow } from '../activities/store/runs.ts';
import type { DiffView } from '../workflows/contracts/run.ts';
import { Failure } from '../workflows/contracts/failures.ts';

// What a person or a page can still read; the whole is in the project.
const mostDiffBytes = 1024 * 1024;

export function createTrees(
  dataFolder: string,
): ActivityDeps['trees'] & { diff(run: RunRow): Promise<DiffView> } {
  const folderOf = (project: string): string =>
    path.join(dataFolder, 'trees', `${createHash('sha256').update(project).digest('hex').slice(0, 32)}.git`);
  return {
    async record(project) {
      const found = await stat(project).catch((error: NodeJS.ErrnoException) => {
        throw new ProjectProblem(`${project} cannot be worked in (${error.code}).`);
      });
      if (!found.isDirectory()) throw new ProjectProblem(`${project} is not a directory.`);
      return recordTree({ project, gitFolder: folderOf(project) });
    },
    async diff(run) {
      if (run.project_path === null)
        throw new Failure('NotRunnable', 'This run has no project, so it has no diff.');
      if (run.start_tree === null) {
        return { runId: run.id, diff: '', files: [], truncated: false };
      }
      const changes = await diffTree({
        project: run.project_path,
        gitFolder: folderOf(run.project_path),
        tree: run.start_tree,
        // Until the run has ended, what stands in the directory now is what it has changed so far.
        ...(run.end_tree !== null && run.ended_at !== null ? { endTree: run.end_tree } : {}),
        maxBytes: mostDiffBytes,
      });
      return { runId: run.id, ...changes };
    },
  };
}
