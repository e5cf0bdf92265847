// What was due until now becomes occurrences, when a worker looks, or the server where Temporal let a due time pass. The
// others concerned hear of it once that has committed.
import { afterEnd } from '../lifecycle/after-end.ts';
import type { EventLog } from '../log/events.ts';
import type { RunRow } from '../runs/runs.ts';
import { type Opened, openDue } from './due.ts';
import type { OccurrenceRow } from './occurrences.ts';
import { isDue, lockSchedule } from './schedules.ts';

/** Starts the workflow of a row, and wakes it. Neither throws, the sweeper repairs. */
interface Way<Row> {
  started(row: Row): void;
  wake(id: string): void;
}

export interface OpenedWays {
  occurrences: Way<OccurrenceRow>;
  runs: Way<RunRow>;
}

export async function openUntil(
  log: EventLog,
  ways: OpenedWays,
  { tenantId, scheduleId }: { tenantId: string; scheduleId: string },
  now: Date,
): Promise<void> {
  if (!(await isDue(log.db, scheduleId, now))) return;
  for (let more = true; more; ) {
    const opened = await log.write('open-due', async (write): Promise<Opened | undefined> => {
      const schedule = await lockSchedule(write, tenantId, scheduleId);
      return schedule && openDue(write, schedule, now);
    });
    if (opened) await afterOpen(log, ways, opened);
    more = opened?.more ?? false;
  }
}

/** What follows its commit. */
export async function afterOpen(
  log: EventLog,
  { occurrences, runs }: OpenedWays,
  { waiting, cancelled }: Pick<Opened, 'waiting' | 'cancelled'>,
): Promise<void> {
  // Their workflows may not exist: after an outage of Temporal only the first due time has one.
  for (const row of waiting) occurrences.started(row);
  for (const { occurrenceId, run } of cancelled) {
    if (run && !run.ended) runs.wake(run.id);
    else occurrences.wake(occurrenceId);
    if (run?.ended) for (const admitted of await afterEnd(log, run.ended)) runs.started(admitted);
  }
}
