// The activity that brings a run's project back to a checkpoint. Whatever it finds, it ends the rewind once; an attempt
// whose worker died is followed by one that comes to the same end.
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { RewindProjectInput } from '../workflows/contracts/activities.ts';
import { type ActivityDeps, CalledOff, ProjectProblem } from './deps.ts';
import { GitProblem } from './git/tree.ts';
import { untilStored } from './store/db/until-stored.ts';
import { givePlaces } from './store/lifecycle/after-end.ts';
import { beginRewind, endRewind, noteRewindTree, type RewindEnd } from './store/lifecycle/rewinds.ts';
import { Superseded } from './store/log/events.ts';
import { handlesOfRun } from './store/runs/attempts.ts';
import { atHome, othersAtWork } from './store/runs/own-trees.ts';
import { checkpointsOf, filesOf, noteAfter, noteBefore, toSpans } from './store/runs/checkpoints.ts';
import type { RewindRow } from './store/runs/rewinds.ts';
import { findRun, type RunRow } from './store/runs/runs.ts';

// A subagent that was told to stop has ended long before, also where its worker dies over it.
const longestStopMs = 120_000;
const lookEveryMs = 100;

interface Rewinding {
  run: RunRow;
  rewind: RewindRow;
  /** Waits for the store, and for room on the disk, as long as Temporal wants this attempt. */
  stored<T>(act: () => Promise<T>): Promise<T>;
  /** The same for what changes files: not once the rewind has ended, when others may write there. */
  restored<T>(act: () => Promise<T>): Promise<T>;
}

const atWork = new Map<string, Promise<void>>();

export function createRewindProject(deps: ActivityDeps): (input: RewindProjectInput) => Promise<void> {
  return async (input) => {
    const { rewindId } = input;
    const context = Context.current();
    const calledOff = new AbortController();
    const givenUp = context.cancelled.catch((cause: Error): never => {
      const why = new CalledOff(`Temporal has given this attempt up: ${cause.message}.`, { cause });
      calledOff.abort(why);
      throw why;
    });
    givenUp.catch(() => undefined);
    // Well inside the heartbeat timeout.
    const beat = setInterval(() => context.heartbeat(), 3000);
    try {
      // An attempt that Temporal has given up may still be at it here: two at once would take each other's work for that
      // of others.
      for (let before = atWork.get(rewindId); before; before = atWork.get(rewindId))
        await Promise.race([before.catch(() => undefined), givenUp]);
      const working = attend(deps, input, calledOff.signal).finally(() => atWork.delete(rewindId));
      atWork.set(rewindId, working);
      await working;
    } finally {
      clearInterval(beat);
    }
  };
}

async function attend(deps: ActivityDeps, input: RewindProjectInput, signal: AbortSignal): Promise<void> {
  const { db } = deps.log;
  const rewind = await beginRewind(db, input);
  const run = rewind && (await findRun(db, input.tenantId, rewind.run_id));
  if (!run) return;
  const stored = <T>(act: () => Promise<T>): Promise<T> => untilStored(act, signal);
  const restored = <T>(act: () => Promise<T>): Promise<T> =>
    stored(async () => {
      if (!(await beginRewind(db, input))) throw new Superseded(`rewind ${rewind.id} has ended`);
      signal.throwIfAborted();
      return act();
    });
  const act = rewind.kind === 'apply' ? broughtHome : rewound;
  try {
    const end = await act(deps, { run, rewind, stored, restored }).catch((error: unknown) =>
      failureOf(deps, run, error),
    );
    await stored(() => deps.log.write('end-rewind', (write) => endRewind(write, rewind, end)));
  } catch (error) {
    if (!(error instanceof Superseded)) throw error;
  }
  // What waited for it; the sweeper finds what is left over.
  for (const admitted of await givePlaces(deps.log, input.tenantId)) deps.startRun(admitted);
}

async function rewound(deps: ActivityDeps, of: Rewinding): Promise<RewindEnd> {
  const { run, rewind, stored, restored } = of;
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
  const busy = await endOfSubagents(deps, of);
  if (busy !== undefined)
    return {
      status: 'failed',
      problem: `Run ${busy} still works there: rewind the run when that has ended.`,
    };
  const since = run.start_tree ?? undefined;
  const also = await filesOf(db, run.id);
  const seen = await stored(() => deps.trees.record(run, { since, also }));
  const was = await stored(() => noteRewindTree(db, rewind.id, seen.tree));
  const cause = { rewindId: rewind.id };
  await stored(() => noteBefore(db, run, cause, { tree: was, files: [], firstSeen: [] }));
  const spans = toSpans(all, run).filter(
    (span) => span.number >= rewind.target && span.rewindId !== rewind.id,
  );
  const back = await restored(() => deps.trees.rewind(run, { was, to, spans, since, also }));
  await stored(() => noteAfter(db, run, cause, { tree: back.tree, goesOn: false }));
  return { status: 'done', ...back };
}

/** What was looked at first is what comes home, though the run may go on meanwhile. */
async function broughtHome(
  deps: ActivityDeps,
  { run, rewind, stored, restored }: Rewinding,
): Promise<RewindEnd> {
  const { db } = deps.log;
  const from = await stored(() => atHome(db, run));
  if (from === undefined) return { status: 'failed', problem: 'The run has no tree of its own yet.' };
  const also = await stored(() => filesOf(db, run.id));
  const seen = await stored(() => deps.trees.record(run, { since: from, also }));
  const to = await stored(() => noteRewindTree(db, rewind.id, seen.tree));
  const exceptConflicts = rewind.target === 1;
  const home = await restored(() => deps.trees.bringHome(run, { from, to, exceptConflicts }));
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

/** The subagents of a cancelled run hear of it only now. Returns one that goes on all the same. */
async function endOfSubagents(
  { log: { db } }: ActivityDeps,
  { run, stored }: Rewinding,
): Promise<string | undefined> {
  const waitsUntil = Date.now() + longestStopMs;
  for (;;) {
    const others = await stored(() => othersAtWork(db, run));
    // A main run has not begun: its place comes when this is done.
    const busy = others.find(({ kind, may_write: mayWrite }) => kind === 'subagent' && mayWrite);
    if (!busy || Date.now() > waitsUntil) return busy?.id;
    await sleep(lookEveryMs);
  }
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
