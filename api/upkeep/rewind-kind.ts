// Rewinds of a run's project as a kind of execution.
import { endRewind, noteRewindStuck } from '../../activities/store/lifecycle/rewinds.ts';
import { listOpenRewinds, type RewindRow } from '../../activities/store/runs/rewinds.ts';
import type { EventLog } from '../../activities/store/log/events.ts';
import type { RewindInput } from '../../workflows/contracts/activities.ts';
import { searchAttributes } from '../../workflows/contracts/messages.ts';
import type { Executions } from './executions.ts';
import type { Kind } from './kind.ts';
import type { Upkeep } from './upkeep.ts';

export const rewindKind: Kind<RewindRow> = {
  name: 'rewind',
  workflowType: 'rewind',
  startOf(row) {
    const { tenant_id: tenantId, id: rewindId, run_id: runId, executor } = row;
    const input: RewindInput = { tenantId, rewindId, runId, ...(executor !== null && { executor }) };
    return {
      input,
      // A person waits for it, and no run may begin in the project before it is done.
      priority: { priorityKey: 1, fairnessKey: row.tenant_id },
      searchAttributes: [{ key: searchAttributes.tenant, value: row.tenant_id }],
      summary: `run ${row.run_id} · to ${row.target === 0 ? 'its start' : `checkpoint ${row.target}`}`,
      details: `- [Open the run on the page](/#run=${row.run_id})`,
    };
  },
  listUnstarted: (db, olderThanMs, limit, afterId) => listOpenRewinds(db, { olderThanMs, limit, afterId }),
  listUndrained: async () => [],
  listActive: (db, limit, afterId) => listOpenRewinds(db, { limit, afterId }),
};

export function createRewindUpkeep({
  log,
  rewinds,
}: {
  log: EventLog;
  rewinds: Executions<RewindRow>;
}): Upkeep<RewindRow> {
  return {
    kind: rewindKind,
    executions: rewinds,
    endLost: (row) =>
      log.write('end-lost-rewind', (write) =>
        endRewind(write, row, {
          status: 'failed',
          problem: 'Its workflow is gone: rewind the run once more to bring the rest back.',
        }),
      ),
    async markStuck(row, tries) {
      await noteRewindStuck(
        log.db,
        row.id,
        `Its workflow task has failed ${tries} times in a row; the worker's log says why.`,
      );
      return true;
    },
    markGoingOn: (row) => noteRewindStuck(log.db, row.id, null),
    chores: [],
  };
}
