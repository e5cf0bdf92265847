// Bringing what a run changed in a tree of its own to the project. A row first; a worker does it, as it does a rewind.
import { holdProject } from '../../activities/store/lifecycle/project-writers.ts';
import { openRewind } from '../../activities/store/lifecycle/rewinds.ts';
import { findRewind, toRewindView } from '../../activities/store/runs/rewinds.ts';
import { lockRunAndConversation } from '../../activities/store/runs/runs.ts';
import type { ApplyBody, RewindView } from '../../workflows/contracts/checkpoint.ts';
import { Failure, found } from '../../workflows/contracts/failures.ts';
import { refuseAtWork } from './rewind-run.ts';
import { actorOf, type Verb } from './verb.ts';

export const applyRun: Verb<NonNullable<ApplyBody> & { runId: string }, RewindView> = async (
  parts,
  write,
  caller,
  { runId, exceptConflicts = false },
) => {
  const { tenantId, by, requestId } = actorOf(caller);
  const run = found(await lockRunAndConversation(write, tenantId, runId), `run ${runId}`);
  const target = exceptConflicts ? 1 : 0;
  if (run.rewind_id !== null) {
    const open = await findRewind(write.tx, { tenantId, runId, rewindId: run.rewind_id });
    // Asked for twice, it is one.
    if (open?.kind === 'apply' && open.target === target) return { body: toRewindView(open) };
    const detail = `Run ${runId} is being rewound or brought home; try again when that is done.`;
    throw new Failure('RewindOpen', detail);
  }
  if (run.project_path === null || run.work_tree !== 'own') {
    const detail = `Run ${runId} has no tree of its own: what it changed is in its project already.`;
    throw new Failure('NotRunnable', detail);
  }
  await refuseAtWork(write, run);
  const { executor, conversation_id: conversationId, project_path: projectPath } = run;
  await holdProject(write, { tenantId, conversationId, projectPath, executor, exceptRun: runId });
  const row = await openRewind(write, run, { kind: 'apply', target, by, requestId });
  return { body: toRewindView(row), after: () => parts.rewinds.started(row) };
};
