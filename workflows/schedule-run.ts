// One due time of a schedule, open until what it started has ended. What is due, begins or is tried again, the activity
// decides in rows; this looks when something has happened or it is time.
import { condition, setHandler, workflowInfo } from '@temporalio/workflow';
import type { AttendScheduleResult, ScheduleRunInput } from './contracts/activities.ts';
import { wake } from './contracts/messages.ts';
import { activities } from './proxies.ts';

export async function scheduleRun(
  input: ScheduleRunInput,
): Promise<Pick<AttendScheduleResult, 'outcome' | 'runId'>> {
  const { tenantId, scheduleId, generation = 0 } = input;
  const startedAt = workflowInfo().startTime.getTime();
  let wakes = 0;
  setHandler(wake, () => {
    wakes += 1;
  });
  for (;;) {
    // A wake that comes while the activity is under way is of something it may not have seen.
    const seen = wakes;
    const { done, againMs, ...came } = await activities.attendSchedule({
      tenantId,
      scheduleId,
      generation,
      startedAt,
    });
    if (done) return came;
    if (againMs === undefined) await condition(() => wakes > seen);
    else await condition(() => wakes > seen, againMs);
  }
}
