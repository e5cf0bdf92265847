// The activity that brings a run's project back to a checkpoint. Whatever it finds, it ends the rewind once; an attempt
// whose worker died is followed by one that comes to the same end.
import { Context } from '@temporalio/activity';
import type { RewindProjectInput } from '../workflows/contracts/activities.ts';
import { type ActivityDeps, ProjectProblem } from './deps.ts';
import { GitProblem } from './git/tree.ts';
import { untilStored } from './store/db/until-stored.ts';
import { beginRewind, endRewind, noteRewindTree, type RewindEnd } from './store/lifecycle/rewinds.ts';
import { handlesOfRun } from './store/runs/attempts.ts';
import { atHome } from './store/runs/own-trees.ts';
import { checkpointsOf, filesOf, noteAfter, noteBefore, toSpans } from './store/runs/checkpoints.ts';
import type { RewindRow } from './store/runs/rewinds.ts';
import { findRun, type RunRow } from './store/runs/runs.ts';

export function createRewindProject(deps: ActivityDeps): (input: RewindProjectInput) => Promise<void> {
  return async ({ tenantId, rewindId, executionId }) => {
    const { db } = deps.log;
    const rewind = await beginRewind(db, { tenantId, rewindId, executionId });
    const run = rewind && (await findRun(db, tenantId, rewind.run_id));
    if (!run) return;
    const context = Context.current();
    // Well inside the heartbeat timeout.
    const beat = setInterval(() => context.heartbeat(), 3000);
    try {
      const act = rewind.kind === 'apply' ? broughtHome : rewound;
      const end = await act(deps, run, rewind).catch((error: unknown) => failureOf(deps, run, error));
      await untilStored(() => deps.log.write('end-rewind', (write) => endRewind(write, rewind, end)));
    } finally {
      clearInterval(beat);
    }
  };
}

async function rewound(deps: ActivityDeps, run: RunRow, rewind: RewindRow): Promise<RewindEnd> {
  const { db } = deps.log;
  const all = await checkpointsOf(db, run);
  const to =
    rewind.target === 0 ? run.start_tree : all.find(({ number }) => number === rewind.target)?.tree_before;
  if (run.project_path === null || !to)
    return { status: 'failed', problem: 'There is nothing recorded to go back to.' };
  if (!(await endCommands(deps, run))) {
    const problem =
      'A command of the run may still work on another machine: interrupt or cancel the run, then rewind it.';
    return { status: 'failed', problem };
  }
  const since = run.start_tree ?? undefined;
  const also = await filesOf(db, run.id);
  const seen = await untilStored(() => deps.trees.record(run, { since, also }));
  const was = await untilStored(() => noteRewindTree(db, rewind.id, seen.tree));
  const cause = { rewindId: rewind.id };
  await untilStored(() => noteBefore(db, run, cause, { tree: was, files: [], firstSeen: [] }));
  const spans = toSpans(all, run).filter(
    (span) => span.number >= rewind.target && span.rewindId !== rewind.id,
  );
  const { tree, restored, kept } = await untilStored(() =>
    deps.trees.rewind(run, { was, to, spans, since, also }),
  );
  await untilStored(() => noteAfter(db, run, cause, { tree, goesOn: false }));
  return { status: 'done', tree, restored, kept };
}

/** What was looked at first is what comes home, though the run may go on meanwhile. */
async function broughtHome(deps: ActivityDeps, run: RunRow, rewind: RewindRow): Promise<RewindEnd> {
  const { db } = deps.log;
  const from = await untilStored(() => atHome(db, run));
  if (from === undefined) return { status: 'failed', problem: 'The run has no tree of its own yet.' };
  const also = await untilStored(() => filesOf(db, run.id));
  const seen = await untilStored(() => deps.trees.record(run, { since: from, also }));
  const to = await untilStored(() => noteRewindTree(db, rewind.id, seen.tree));
  const exceptConflicts = rewind.target === 1;
  const home = await untilStored(() => deps.trees.bringHome(run, { from, to, exceptConflicts }));
  const { kept } = home;
  if (kept.length > 0 && !exceptConflicts)
    return { status: 'failed', problem: conflictProblem(kept.length, home.restored), kept };
  return { status: 'done', ...home, isWhole: kept.length === 0 };
}

/** Others are there where an attempt was cut short, or a conflict came in between. */
function conflictProblem(count: number, restored: number): string {
  const files = count === 1 ? 'A file cannot' : `${count} files cannot`;
  const others =
    restored === 0 ? ', so nothing was' : `; ${restored} of the others are there as the run left them`;
  return (
    `${files} be brought home without overwriting what others changed${others}: mend that in the project, or ` +
    'leave them out (exceptConflicts, perdure apply --except-conflicts).'
  );
}

/** Those of a run that waits for people: nothing of it may write meanwhile. False: they cannot be reached from here. */
async function endCommands(deps: ActivityDeps, run: RunRow): Promise<boolean> {
  await deps.endBackground(run.id);
  if (run.ended_at !== null) return true;
  for (const handle of await handlesOfRun(deps.log.db, run.id))
    if ((await deps.killHandle(handle)) === 'elsewhere') return false;
  return true;
}

/** What people can do something about; anything else is tried again. */
function failureOf(deps: ActivityDeps, run: RunRow, error: unknown): RewindEnd {
  const { code } = error as NodeJS.ErrnoException;
  const isOfFiles =
    typeof code === 'string' && ['EACCES', 'EPERM', 'EROFS', 'ELOOP', 'ENAMETOOLONG'].includes(code);
  if (!(error instanceof GitProblem || error instanceof ProjectProblem || isOfFiles)) throw error;
  deps.logger.warn({ err: error, runId: run.id }, 'a project was not rewound, or not wholly');
  const why = deps.log.redact((error as Error).message).slice(0, 500);
  return {
    status: 'failed',
    problem: `Not all files could be brought back; try again once this is mended: ${why}`,
  };
}
