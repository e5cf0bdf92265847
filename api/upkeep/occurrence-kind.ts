// Occurrences of schedules as a kind of execution. Most of their workflows are started by Temporal's schedule, under the
// same ids.
import { listUnseen, occurrenceTable } from '../../activities/store/schedules/occurrence-lists.ts';
import type { OccurrenceRow } from '../../activities/store/schedules/occurrences.ts';
import type { ScheduleRunInput } from '../../workflows/contracts/activities.ts';
import { searchAttributes } from '../../workflows/contracts/messages.ts';
import type { Kind, WorkflowStart } from './kind.ts';

export const occurrenceKind: Kind<OccurrenceRow> = {
  name: 'schedule',
  workflowType: 'scheduleRun',
  startOf,
  listUnstarted: occurrenceTable.listUnstarted,
  listUndrained: listUnseen,
  listActive: occurrenceTable.listActive,
};

function startOf(row: OccurrenceRow): WorkflowStart {
  const input: ScheduleRunInput = {
    tenantId: row.tenant_id,
    scheduleId: row.schedule_id,
    ...(row.generation > 0 && { generation: row.generation }),
  };
  return {
    input,
    // It only waits and writes rows; the run that it accepts has a priority of its own.
    priority: { fairnessKey: row.tenant_id },
    searchAttributes: [{ key: searchAttributes.tenant, value: row.tenant_id }],
    summary: `A due time of schedule ${row.schedule_id}`,
    details: `Schedule \`${row.schedule_id}\``,
  };
}
