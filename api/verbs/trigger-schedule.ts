// Beginning a schedule's run now, beside its due times, or saying what would begin.
import { checkStart } from '../../activities/store/lifecycle/start-run.ts';
import { openByHand } from '../../activities/store/schedules/due.ts';
import { afterOpen } from '../../activities/store/schedules/open-until.ts';
import { openOf } from '../../activities/store/schedules/occurrences.ts';
import { lockForChange } from '../../activities/store/schedules/schedules.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import type { Outcome, TriggerScheduleView } from '../../workflows/contracts/schedule.ts';
import { actorOf, type Verb } from './verb.ts';

export const triggerSchedule: Verb<{ scheduleId: string; dryRun: boolean }, TriggerScheduleView> = async (
  parts,
  write,
  caller,
  { scheduleId, dryRun },
) => {
  const schedule = await lockForChange(write, caller.tenantId, scheduleId);
  const { run } = schedule.definition;
  const begins = run && (await checkStart(write, parts, actorOf(caller), run));
  const open = await openOf(write.tx, scheduleId);
  const body: TriggerScheduleView = {
    occurrenceId: null,
    outcome: null,
    reason: null,
    model: begins && begins.model,
    policy: begins && begins.policy,
    project: begins?.projectPath ? { path: begins.projectPath } : null,
    overlapping: open.length > 0,
  };
  if (dryRun) return { body };
  if (!schedule.enabled) {
    const detail = `The schedule ${schedule.name} is switched off; switch it on first, or look with dryRun.`;
    throw new Failure('NotRunnable', detail);
  }
  const { row, opened } = await openByHand(write, schedule, new Date());
  return {
    body: { ...body, occurrenceId: row.id, outcome: row.outcome as Outcome, reason: row.reason },
    after: () => afterOpen(parts.log, parts, opened),
  };
};
