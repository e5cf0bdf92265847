// The looks at a run's project before and after a call that may write, so that the project can be brought back, and what
// others change in between is told apart. A look that fails is told and stops nothing: it is there for people's ease, and
// a machine without git, say, must still be able to work. The policy alone decides whether a call is made.
import { type ActivityDeps, type Attempt, CalledOff, WorkerStopping } from '../deps.ts';
import { GitProblem } from '../git/tree.ts';
import { type Sandbox, SandboxRefusal } from '../sandbox/sandbox.ts';
import type { CallRow } from '../store/calls/calls.ts';
import { untilStored } from '../store/db/until-stored.ts';
import { filesOf, noteAfter, noteBefore } from '../store/runs/checkpoints.ts';
import { type RunRow, streamFor } from '../store/runs/runs.ts';
import type { Tool } from '../tools/tool.ts';

// Two looks must fit into the minute that a call has beside its own time. Fifty thousand files take about a second.
const longestLookMs = 20_000;
// A worker that stops ends all it has five seconds after it has told its calls to; killing and storing take their part.
const lastLookMs = 2_000;

export interface Checkpoint {
  /** The look behind the call. */
  close(): Promise<void>;
}

const none: Checkpoint = { close: async () => {} };

/** What only concerns the run changes no file, and neither does what reads. */
function mayChangeFiles({ effect, subjectKind }: Tool): boolean {
  return (effect === 'write' || effect === 'execute') && subjectKind !== 'run';
}

export async function openCheckpoint(
  deps: ActivityDeps,
  of: { run: RunRow; call: CallRow; tool: Tool; sandbox: Sandbox; attempt: Attempt },
): Promise<Checkpoint> {
  const { run, call, tool, sandbox, attempt } = of;
  if (run.project_path === null || !mayChangeFiles(tool)) return none;
  const { db } = deps.log;
  const before = await untilStored(() => filesOf(db, run.id));
  const files = await realFilesOf(call, tool, sandbox);
  const also = [...new Set([...before, ...files])];
  const cause = { callId: call.call_id };
  const look = (until: AbortSignal) => lookAt(deps, run, call, until, also);
  const seen = await look(attempt.signal);
  const firstSeen = seen?.ignored.filter((file) => !before.includes(file)) ?? [];
  await untilStored(() => noteBefore(db, run, cause, { tree: seen?.tree ?? null, files, firstSeen }));
  return {
    async close() {
      const goesOn = deps.hasBackground(run.id);
      const after = await look(untilGivenUp(attempt.signal));
      if (after) await untilStored(() => noteAfter(db, run, cause, { tree: after.tree, goesOn }));
    },
  };
}

/** Without the look behind a call that is stopped while its run goes on, what it has changed would count as others'. */
function untilGivenUp(signal: AbortSignal): AbortSignal {
  const given = new AbortController();
  const onAbort = (): void => {
    const goesOn = signal.reason instanceof WorkerStopping || signal.reason instanceof CalledOff;
    if (goesOn) setTimeout(() => given.abort(), lastLookMs).unref();
    // A person who stopped the run waits for its end, where it is looked at once more.
    else given.abort();
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  return given.signal;
}

/** Where the paths of a file tool lead: a tree has nothing behind a link. */
async function realFilesOf(
  { subject }: CallRow,
  { effect, subjectKind }: Tool,
  sandbox: Sandbox,
): Promise<string[]> {
  const isPaths = effect === 'write' && (subjectKind ?? 'path') === 'path';
  if (!isPaths) return [];
  const found = subject.split('\n').map((path) =>
    sandbox.resolve(path).catch((error: unknown) => {
      // The tool says so itself.
      if (error instanceof SandboxRefusal) return undefined;
      throw error;
    }),
  );
  return (await Promise.all(found)).filter((path) => path !== undefined);
}

/** Undefined where it could not be recorded in time, which is told, or is not waited for any more. */
async function lookAt(
  deps: ActivityDeps,
  run: RunRow,
  call: CallRow,
  until: AbortSignal,
  also: readonly string[],
): Promise<{ tree: string; ignored: string[] } | undefined> {
  if (run.project_path === null || until.aborted) return undefined;
  const limit = AbortSignal.any([until, AbortSignal.timeout(longestLookMs)]);
  const given = new Promise<'over'>((resolve) => {
    limit.addEventListener('abort', () => resolve('over'), { once: true });
  });
  try {
    const since = run.start_tree ?? undefined;
    const recorded = deps.trees.record(run, { since, also });
    recorded.catch(() => undefined);
    const seen = await Promise.race([recorded, given]);
    if (seen !== 'over') return seen;
    if (!until.aborted)
      await tell(deps, run, call, `recording the project took longer than ${longestLookMs / 1000} seconds`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!(error instanceof GitProblem) && (error as Error).name !== 'ProjectProblem' && code === undefined)
      throw error;
    await tell(deps, run, call, (error as Error).message);
  }
  return undefined;
}

async function tell(deps: ActivityDeps, run: RunRow, call: CallRow, reason: string): Promise<void> {
  const payload = { callId: call.call_id, reason: deps.log.redact(reason) };
  await untilStored(() =>
    deps.log.append({ ...streamFor(run), events: [{ type: 'checkpoint-error', payload }] }),
  ).catch((error: unknown) => deps.logger.warn({ err: error, runId: run.id }, 'a checkpoint failed'));
}
