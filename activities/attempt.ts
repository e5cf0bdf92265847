// What every long activity does around its work: heartbeats, one abort signal out of Temporal's cancellation, the side
// channel and the fence, joining a predecessor that still runs in this process, and turning what the work throws into
// what Temporal understands.
import { ApplicationFailure, Context } from '@temporalio/activity';
import { CancelledFailure } from '@temporalio/common';
import { type ActivityDeps, type ActivityTask, CalledOff, WorkerStopping } from './deps.ts';
import { ModelCallFailed } from './step/failure.ts';
import { untilStored } from './store/db/until-stored.ts';
import { adoptToken, type NewAttempt } from './store/runs/attempts.ts';
import { RunStopped } from './store/runs/stops.ts';
import { Superseded } from './store/log/events.ts';

// Often enough that a cancellation by way of Temporal arrives within seconds, well inside the 30 s timeout.
const heartbeatMs = 3000;

const atWork = new Map<string, Promise<unknown>>();

export async function withAttempt<T>(
  deps: ActivityDeps,
  input: { runId: string; unit: string; generation: number; pauses?: number | undefined },
  work: (task: ActivityTask) => Promise<T>,
): Promise<T> {
  const context = Context.current();
  const { info } = context;
  const task: NewAttempt = {
    runId: input.runId,
    unit: input.unit,
    generation: input.generation,
    pauses: input.pauses ?? 0,
    tried: info.attempt,
    executorId: deps.executor.id,
    taskToken: info.taskToken,
  };
  const beat = setInterval(() => context.heartbeat(), heartbeatMs);
  try {
    // Another execution's work is not joined: it can store nothing any more.
    const key = `${input.runId} ${input.unit} ${input.generation}`;
    for (let predecessor = atWork.get(key); predecessor; predecessor = atWork.get(key)) {
      await untilStored(() => adoptToken(deps.log.db, task));
      try {
        return (await predecessor) as T;
      } catch (error) {
        // It had lost its fence to an attempt elsewhere, which has failed since: the work is ours to do.
        if (!(error instanceof Superseded)) throw error;
      }
    }
    const working = workOn(deps, context, task, work).finally(() => atWork.delete(key));
    atWork.set(key, working);
    return await working;
  } catch (error) {
    throw toTemporal(error);
  } finally {
    clearInterval(beat);
  }
}

async function workOn<T>(
  deps: ActivityDeps,
  context: Context,
  task: NewAttempt,
  work: (task: ActivityTask) => Promise<T>,
): Promise<T> {
  const abort = new AbortController();
  const stop = deps.stops.watch(task.runId);
  const onStop = (): void => abort.abort(stop.signal.reason);
  stop.signal.addEventListener('abort', onStop, { once: true });
  void context.cancelled.catch((error: unknown) => {
    const why = error instanceof CancelledFailure ? error.message : String(error);
    // The server no longer knows this attempt: the work goes on, since a successor on this process would join
    // it; a successor elsewhere takes the fence, and the next write here learns of it.
    if (why === 'NOT_FOUND' || why === 'TIMED_OUT') return;
    if (why === 'WORKER_SHUTDOWN') abort.abort(new WorkerStopping('The worker is shutting down.'));
    // The workflow cancels what is under way only when its run ends: stopped by a person, or out of time.
    else
      abort.abort(
        why === 'CANCELLED'
          ? new RunStopped('The run was told to end.')
          : new CalledOff(why, { cause: error }),
      );
  });
  try {
    return await work({ task, signal: abort.signal, supersede: (error) => abort.abort(error) });
  } finally {
    stop.signal.removeEventListener('abort', onStop);
    stop.release();
  }
}

/** The one place where a verdict of plain code becomes a failure of the activity. */
function toTemporal(error: unknown): unknown {
  if (error instanceof CalledOff) return error.cause;
  if (error instanceof Superseded)
    return ApplicationFailure.create({ type: 'Superseded', message: error.message, nonRetryable: true });
  if (!(error instanceof ModelCallFailed)) return error;
  const { type, message, forGood, retryAfterMs } = error;
  const delay = retryAfterMs === undefined ? {} : { nextRetryDelay: retryAfterMs };
  return ApplicationFailure.create({ type, message, nonRetryable: forGood, ...delay });
}
