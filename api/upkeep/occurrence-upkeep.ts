// What the server's loops do for schedules beside what they do for every kind: Temporal is told what it has not heard, and
// due times that it let pass are made up for.
import type { EventLog } from '../../activities/store/log/events.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import { occurrenceTable } from '../../activities/store/schedules/occurrence-lists.ts';
import type { OccurrenceRow } from '../../activities/store/schedules/occurrences.ts';
import { openUntil } from '../../activities/store/schedules/open-until.ts';
import { listOverdue, listUntold, markUntold } from '../../activities/store/schedules/schedules.ts';
import { attendingUpkeep } from './attending-upkeep.ts';
import type { Executions, Notices } from './executions.ts';
import { occurrenceKind } from './occurrence-kind.ts';
import type { Timers } from './timers.ts';
import type { Chore, Upkeep } from './upkeep.ts';

export interface OccurrenceUpkeepInput {
  log: EventLog;
  occurrences: Executions<OccurrenceRow>;
  runs: Notices<RunRow>;
  timers: Timers;
}

// The next pass takes the rest.
const mostPerPass = 100;
// Temporal and a worker need a moment; twice what a busy machine takes.
const overdueMs = 15_000;

export function createOccurrenceUpkeep(input: OccurrenceUpkeepInput): Upkeep<OccurrenceRow> {
  const { log, occurrences: executions } = input;
  const chores = [telling(input), makingUp(input)];
  return attendingUpkeep(log.db, { kind: occurrenceKind, executions, table: occurrenceTable, chores });
}

function telling({ log, timers }: OccurrenceUpkeepInput): Chore {
  return {
    name: 'telling Temporal of schedules',
    async act() {
      for (const schedule of await listUntold(log.db, mostPerPass)) timers.tell(schedule);
      await timers.settled();
    },
  };
}

/** Here and not in a workflow: the one of that due time may have closed before it looked, and there is no other by its name. */
function makingUp({ log, occurrences, runs }: OccurrenceUpkeepInput): Chore {
  return {
    name: 'making up for due times',
    async act() {
      for (const { id, tenant_id: tenantId } of await listOverdue(log.db, overdueMs, mostPerPass)) {
        await openUntil(log, { occurrences, runs }, { tenantId, scheduleId: id }, new Date());
        await markUntold(log.db, id);
      }
    },
  };
}
