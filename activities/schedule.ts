// One look of a scheduled workflow: what was due becomes occurrences, its own goes a step on, and the others concerned
// hear of it once that has committed.
import { Context } from '@temporalio/activity';
import type { AttendScheduleInput, AttendScheduleResult } from '../workflows/contracts/activities.ts';
import { Failure, failures } from '../workflows/contracts/failures.ts';
import type { Outcome } from '../workflows/contracts/schedule.ts';
import { occurrenceOf } from '../workflows/contracts/messages.ts';
import type { ActivityDeps } from './deps.ts';
import { OwnerChanged } from './store/lifecycle/accept-run.ts';
import { afterAccept } from './store/lifecycle/after-accept.ts';
import { attend, type Attended, type Look, refuse } from './store/schedules/attend.ts';
import { openUntil, type OpenedWays } from './store/schedules/open-until.ts';

export function createAttendSchedule(
  deps: ActivityDeps,
): (input: AttendScheduleInput) => Promise<AttendScheduleResult> {
  const { log, schedules } = deps;

  function waysOf(own: string): OpenedWays {
    const { wake, started } = schedules;
    return {
      occurrences: { wake, started: (row) => (row.id === own ? undefined : started(row)) },
      runs: { started: deps.startRun, wake: deps.wakeRun },
    };
  }

  /** A refusal is how an occurrence ends; what passes by itself is waited for by trying again. */
  async function attendOwn(look: Look): Promise<Attended> {
    try {
      return await log.write('attend-occurrence', (write) => attend(write, schedules, look, new Date()));
    } catch (error) {
      if (!(error instanceof Failure) || error instanceof OwnerChanged) throw error;
      if (failures[error.code].retryable && error.code !== 'AllowanceExceeded') throw error;
      return log.write('refuse-occurrence', (write) => refuse(write, look, error));
    }
  }

  return async (input) => {
    const { workflowExecution } = Context.current().info;
    if (!workflowExecution) throw new Error('attendSchedule is called by workflows alone.');
    const occurrenceId = occurrenceOf(workflowExecution.workflowId);
    await openUntil(log, waysOf(occurrenceId), input, new Date(Math.max(Date.now(), input.startedAt)));
    const look = { ...input, occurrenceId, executionId: workflowExecution.runId };
    const { row, againMs, accepted, next } = await attendOwn(look);
    if (accepted) {
      const { start, wake } = await afterAccept(log, accepted);
      for (const run of start) deps.startRun(run);
      for (const runId of wake) deps.wakeRun(runId);
    }
    if (next !== undefined) schedules.wake(next);
    return {
      done: !row || row.ended_at !== null,
      ...(againMs !== undefined && { againMs }),
      ...(row && { outcome: row.outcome as Outcome }),
      ...(row?.run_id && { runId: row.run_id }),
    };
  };
}
