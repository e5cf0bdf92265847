// Bringing a run's project back to how it was before one of its calls, or at its start. A row first; a worker does it.
import { holdProject } from '../../activities/store/lifecycle/project-writers.ts';
import { hasCallUnderWay, openRewind } from '../../activities/store/lifecycle/rewinds.ts';
import { findRewind, rewoundIn, targetOf, toRewindView } from '../../activities/store/runs/rewinds.ts';
import { othersAtWork } from '../../activities/store/runs/own-trees.ts';
import { checkpointsOf } from '../../activities/store/runs/checkpoints.ts';
import { type LockedRun, lockRunAndConversation } from '../../activities/store/runs/runs.ts';
import type { Write } from '../../activities/store/log/events.ts';
import type { RewindBody, RewindView } from '../../workflows/contracts/checkpoint.ts';
import { Failure, found } from '../../workflows/contracts/failures.ts';
import type { RunStatus } from '../../workflows/contracts/run.ts';
import { isTerminal } from '../../workflows/run/transitions.ts';
import { actorOf, type Verb } from './verb.ts';

export const rewindRun: Verb<RewindBody & { runId: string }, RewindView> = async (
  parts,
  write,
  caller,
  { runId, to },
) => {
  const { tenantId, by, requestId } = actorOf(caller);
  const run = found(await lockRunAndConversation(write, tenantId, runId), `run ${runId}`);
  const target = targetOf(to);
  const open =
    run.rewind_id === null
      ? undefined
      : await findRewind(write.tx, { tenantId, runId, rewindId: run.rewind_id });
  if (open && (open.target !== target || open.kind !== 'rewind'))
    throw new Failure('RewindOpen', `Run ${runId} is being rewound; try again when that is done.`);
  // Asked for twice, it is one.
  if (open) return { body: toRewindView(open) };
  await refuseTarget(write, run, target);
  await refuseAtWork(write, run);
  const row = await openRewind(write, run, { target, by, requestId });
  return { body: toRewindView(row), after: () => parts.rewinds.started(row) };
};

async function refuseTarget(write: Write, run: LockedRun, target: number): Promise<void> {
  if (run.project_path === null)
    throw new Failure('NotRunnable', `Run ${run.id} has no project: there is nothing to rewind.`);
  if (target === 0) {
    if (run.start_tree !== null) return;
    throw new Failure(
      'NotRunnable',
      `The project was not recorded when run ${run.id} began: it cannot be rewound to there.`,
    );
  }
  const [checkpoint] = await checkpointsOf(write.tx, run, target);
  if (checkpoint?.number !== target)
    throw new Failure(
      'NotFound',
      `Run ${run.id} has no checkpoint ${target}; GET /runs/{id}/checkpoints lists them.`,
    );
  if (checkpoint.tree_before === null)
    throw new Failure(
      'NotRunnable',
      `Checkpoint ${target} of run ${run.id} could not be recorded: choose another.`,
    );
}

/** Nothing of a run may write while its project is rewound, nor is its tree rewound twice at once. */
export async function refuseAtWork(write: Write, run: LockedRun): Promise<void> {
  const waits = run.status === 'awaiting_input' && !(await hasCallUnderWay(write.tx, run));
  if (!isTerminal(run.status as RunStatus) && !waits) {
    const detail =
      `Run ${run.id} is at work: interrupt or cancel it, then rewind it; cancelled with undo it is taken back when it has ` +
      'stopped.';
    throw new Failure('RunActive', detail, { activeRunId: run.id });
  }
  const {
    id,
    executor,
    tenant_id: tenantId,
    conversation_id: conversationId,
    project_path: projectPath,
  } = run;
  // The runs of a conversation have one tree of their own.
  const [other] = run.work_tree === 'own' ? await othersAtWork(write.tx, run) : [];
  if (other !== undefined)
    throw new Failure(
      'RunActive',
      `Run ${other.id} goes on in the same tree: interrupt or cancel it first.`,
      {
        activeRunId: other.id,
      },
    );
  const rewound = await rewoundIn(write.tx, conversationId);
  if (rewound !== undefined)
    throw new Failure(
      'RewindOpen',
      `Run ${rewound} is being rewound or brought home; try again when that is done.`,
    );
  if (projectPath !== null && run.work_tree === 'in-place')
    await holdProject(write, { tenantId, conversationId, projectPath, executor, exceptRun: id });
}
