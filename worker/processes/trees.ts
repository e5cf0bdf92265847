// Where the trees of projects are kept: one git directory of our own per project, outside of it.
import { stat } from 'node:fs/promises';
import { type ActivityDeps, ProjectProblem } from '../../activities/deps.ts';
import { bringHome } from '../../activities/git/bring-home.ts';
import { makeOwnTree } from '../../activities/git/own-tree.ts';
import { ownChanges } from '../../activities/git/own-changes.ts';
import { rewindProject } from '../../activities/git/rewind.ts';
import { diffTree, diffTrees, recordTree, recordWith } from '../../activities/git/tree.ts';
import type { ApiDeps } from '../../api/deps.ts';
import { onExecutorOf } from '../../activities/store/runs/on-executor.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import { treeFolder, workPlace } from '../data-folder.ts';

// What a person or a page can still read; the whole is in the project.
const maxBytes = 1024 * 1024;

// Who runs commands in a container: `activities/sandbox/docker/` has it so.
const agentUser = { uid: 10001, gid: 10001 };

interface Trees extends Pick<ActivityDeps, 'place'>, NonNullable<ActivityDeps['trees']> {
  /** What people see of them. */
  views: Pick<ApiDeps, 'diff' | 'diffOf'>;
}

/** `machine`: the executor whose machine this is; null: the server's. */
export function createTrees(dataFolder: string, machine: string | null = null): Trees {
  const folderOf = (project: string): string => treeFolder(dataFolder, project);

  /** How the place of a run is recorded: all trees of one project are in one git folder. */
  function recordingOf(run: RunRow) {
    const host = projectOf(run);
    const project = workPlace(dataFolder, run) ?? host;
    const own = project === host ? {} : { lastIndex: `last-${run.conversation_id}` };
    return { host, recording: { project, gitFolder: folderOf(host), exclude: dataFolder, ...own } };
  }

  return {
    async record(run, { since, also } = {}) {
      const { recording } = recordingOf(run);
      await requireDirectory(recording.project);
      return recordWith({ ...recording, ...(since !== undefined && { since }), ...(also && { also }) });
    },
    async begin(run, origin, progress) {
      const { host, recording } = recordingOf(run);
      const { project: folder, gitFolder } = recording;
      await requireDirectory(host);
      if (folder === host) return recordWith({ ...recording, progress });
      const tree = origin ?? (await recordTree({ project: host, gitFolder, exclude: dataFolder, progress }));
      const owner = run.exec_mode === 'sandbox' ? { owner: agentUser } : {};
      await makeOwnTree({ project: host, gitFolder, tree, folder, branch: `perdure/${run.id}`, ...owner });
      return recordWith({ ...recording, since: tree });
    },
    async rewind(run, how) {
      const { recording } = recordingOf(run);
      await requireDirectory(recording.project);
      return rewindProject({ ...recording, ...how });
    },
    async bringHome(run, how) {
      const { host, recording } = recordingOf(run);
      await requireDirectory(host);
      const { gitFolder, exclude } = recording;
      return bringHome({ project: host, gitFolder, exclude, since: how.from, ...how });
    },
    place: (run) =>
      run.executor === machine ? workPlace(dataFolder, run) : (onExecutorOf(run)?.place ?? null),
    views: {
      async diffOf(run, from, to) {
        const gitFolder = folderOf(hereOf(run));
        return { runId: run.id, ...(await diffTrees({ gitFolder, from, to, maxBytes })), others: [] };
      },
      async diff(run, spans) {
        hereOf(run);
        const { recording } = recordingOf(run);
        const { gitFolder } = recording;
        const from = run.start_tree;
        // Nothing was recorded yet, so nothing was changed yet.
        if (from === null) return { runId: run.id, diff: '', files: [], truncated: false, others: [] };
        // Until the run has ended, what stands in the directory now is what it has changed so far.
        const isOver = run.ended_at !== null && run.end_tree !== null;
        if (spans === undefined) {
          const changes = isOver
            ? await diffTrees({ gitFolder, from, to: run.end_tree ?? from, maxBytes })
            : await diffTree({ ...recording, tree: from, maxBytes });
          return { runId: run.id, ...changes, others: [] };
        }
        const also = spans.flatMap(({ files }) => files);
        const end = isOver ? (run.end_tree ?? from) : await recordTree({ ...recording, since: from, also });
        return { runId: run.id, ...(await ownChanges({ gitFolder, start: from, end, spans, maxBytes })) };
      },
    },
  };
}

function projectOf({ project_path: project }: RunRow): string {
  if (project !== null) return project;
  throw new Failure('NotRunnable', 'This run has no project, so it has no diff.');
}

/** Its trees are where it works. */
function hereOf(run: RunRow): string {
  if (run.executor === null) return projectOf(run);
  const detail = `The project of this run is on the machine of the executor ${run.executor}, and so is what was recorded of it: look at it there.`;
  throw new Failure('NotRunnable', detail);
}

async function requireDirectory(project: string): Promise<void> {
  const found = await stat(project).catch((error: NodeJS.ErrnoException) => {
    throw new ProjectProblem(`${project} cannot be worked in (${error.code}).`);
  });
  if (!found.isDirectory()) throw new ProjectProblem(`${project} is not a directory.`);
}
