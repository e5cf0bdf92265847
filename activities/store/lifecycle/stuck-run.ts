// What the reconciler has seen of a run's execution, written down. Each write asks the row again under its lock:
// what was seen of one execution says nothing about the next.
import { addDeadLetter, dropRunLetter } from '../runs/dead-letters.ts';
import { type EndedRun, endRun } from './end-run.ts';
import type { Write } from '../log/events.ts';
import { type LockedRun, lockRun, lockRunAndConversation, type RunRow, streamFor } from '../runs/runs.ts';

/** The execution that was looked at. */
type Seen = Pick<RunRow, 'id' | 'tenant_id' | 'execution_id' | 'generation'>;

async function lockSeen(write: Write, seen: Seen, lock = lockRun): Promise<LockedRun | undefined> {
  const run = await lock(write, seen.tenant_id, seen.id);
  if (!run || run.ended_at || run.generation !== seen.generation) return undefined;
  return run.execution_id === seen.execution_id ? run : undefined;
}

/** Books, at its own prices, what a run has used without an account of it; the caller holds the run's lock. */
export type Book = (write: Write, run: LockedRun) => Promise<LockedRun>;

/** Ends a run whose workflow is gone. Undefined when it has ended or has another execution. */
export async function endLostRun(write: Write, seen: Seen, book: Book): Promise<EndedRun | undefined> {
  const run = await lockSeen(write, seen, lockRunAndConversation);
  if (!run) return undefined;
  return endRun(write, await book(write, run), {
    status: 'failed',
    reason: 'workflow_gone',
    reasonText: 'The workflow of this run is gone: somebody terminated it, or Temporal lost it.',
  });
}

/** Marks the run and puts it on the list. False when there is nothing to mark any more. */
export async function markStuck(write: Write, seen: Seen, tries: number): Promise<boolean> {
  const run = await lockSeen(write, seen);
  if (!run || run.stuck !== null) return false;
  const reason = `Its workflow task has failed ${tries} times in a row; the worker's log says why.`;
  await write.tx.updateTable('runs').set({ stuck: reason }).where('id', '=', run.id).execute();
  write.append({ ...streamFor(run), events: [{ type: 'run-stuck', payload: { reason } }] });
  await addDeadLetter(write, run, { kind: 'run', reason, attempts: tries });
  return true;
}

/** Takes the mark away, and the run off the list: trying it again would end an execution that is well. */
export async function markGoingOn(write: Write, seen: Seen): Promise<void> {
  const run = await lockSeen(write, seen);
  if (!run || run.stuck === null) return;
  await write.tx.updateTable('runs').set({ stuck: null }).where('id', '=', run.id).execute();
  const reason = 'Its workflow task succeeded.';
  write.append({ ...streamFor(run), events: [{ type: 'run-resume', payload: { reason } }] });
  await dropRunLetter(write, run, 'the reconciler');
}
