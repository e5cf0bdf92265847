// Dispatchers of tasks as a kind of execution: one a tenant, which goes on as long as its row is there.
import {
  type DispatcherRow,
  dispatcherTable,
  listUnseenTasks,
} from '../../activities/store/tasks/dispatchers.ts';
import type { DispatchInput } from '../../workflows/contracts/activities.ts';
import { searchAttributes } from '../../workflows/contracts/messages.ts';
import type { Kind } from './kind.ts';

export const dispatcherKind: Kind<DispatcherRow> = {
  name: 'dispatch',
  workflowType: 'dispatch',
  startOf(row) {
    const input: DispatchInput = { tenantId: row.tenant_id, generation: row.generation };
    return {
      input,
      // What it hands out has a priority of its own.
      priority: { fairnessKey: row.tenant_id },
      searchAttributes: [{ key: searchAttributes.tenant, value: row.tenant_id }],
      summary: `Tasks of tenant ${row.tenant_id}`,
      details: 'Hands tasks to executors.',
    };
  },
  listUnstarted: dispatcherTable.listUnstarted,
  listUndrained: listUnseenTasks,
  listActive: dispatcherTable.listActive,
};
