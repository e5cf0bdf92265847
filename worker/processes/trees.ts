// Where the trees of projects are kept: one git directory of our own per project, outside of it.
import { stat } from 'node:fs/promises';
import { type ActivityDeps, ProjectProblem } from '../../activities/deps.ts';
import { diffTree, diffTrees, recordTree } from '../../activities/git/tree.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import { treeFolder } from '../data-folder.ts';
import type { DiffView } from '../../workflows/contracts/run.ts';

// What a person or a page can still read; the whole is in the project.
const maxBytes = 1024 * 1024;

export function createTrees(
  dataFolder: string,
): ActivityDeps['trees'] & { diff(run: RunRow): Promise<DiffView> } {
  const folderOf = (project: string): string => treeFolder(dataFolder, project);
  return {
    async record(project, since, progress) {
      const found = await stat(project).catch((error: NodeJS.ErrnoException) => {
        throw new ProjectProblem(`${project} cannot be worked in (${error.code}).`);
      });
      if (!found.isDirectory()) throw new ProjectProblem(`${project} is not a directory.`);
      return recordTree({
        project,
        gitFolder: folderOf(project),
        exclude: dataFolder,
        progress,
        ...(since === undefined ? {} : { since }),
      });
    },
    async diff(run) {
      const project = run.project_path;
      if (project === null) {
        throw new Failure('NotRunnable', 'This run has no project, so it has no diff.');
      }
      const gitFolder = folderOf(project);
      const from = run.start_tree;
      // Nothing was recorded yet, so nothing was changed yet.
      if (from === null) return { runId: run.id, diff: '', files: [], truncated: false };
      // Until the run has ended, what stands in the directory now is what it has changed so far.
      const changes =
        run.ended_at !== null && run.end_tree !== null
          ? await diffTrees({ gitFolder, from, to: run.end_tree, maxBytes })
          : await diffTree({ project, gitFolder, exclude: dataFolder, tree: from, maxBytes });
      return { runId: run.id, ...changes };
    },
  };
}
