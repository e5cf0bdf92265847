// What the server's loops do for schedules beside what they do for every kind: Temporal is told what it has not heard, and
// due times that it let pass are made up for.
import type { EventLog } from '../../activities/store/log/events.ts';
import { occurrenceTable } from '../../activities/store/schedules/occurrence-lists.ts';
import { occurrenceId } from '../../activities/store/schedules/due.ts';
import { listOverdue, listUntold, markUntold } from '../../activities/store/schedules/schedules.ts';
import { attendingUpkeep } from './attending-upkeep.ts';
import type { Executions } from './executions.ts';
import { type Attended, occurrenceKind } from './occurrence-kind.ts';
import type { Timers } from './timers.ts';
import type { Chore, Upkeep } from './upkeep.ts';

export interface OccurrenceUpkeepInput {
  log: EventLog;
  occurrences: Executions<Attended>;
  timers: Timers;
}

// The next pass takes the rest.
const mostPerPass = 100;
// Temporal and a worker need a moment; twice what a busy machine takes.
const overdueMs = 15_000;

export function createOccurrenceUpkeep(input: OccurrenceUpkeepInput): Upkeep<Attended> {
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

/** The workflow of the first due time that passed writes down those behind it too. */
function makingUp({ log, occurrences }: OccurrenceUpkeepInput): Chore {
  return {
    name: 'making up for due times',
    async act() {
      for (const { id, tenant_id, next_due_at: dueAt } of await listOverdue(log.db, overdueMs, mostPerPass)) {
        if (!dueAt) continue;
        const due = { id: occurrenceId(id, dueAt), tenant_id, schedule_id: id };
        const row: Attended = { ...due, generation: 0, execution_id: null, stuck: null };
        if (occurrences.isStarted(row)) continue;
        occurrences.started(row);
        await markUntold(log.db, id);
      }
    },
  };
}
