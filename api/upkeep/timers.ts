// Temporal's schedules, one for each of ours, kept equal to the row: they wake it when it is due. What they miss, while
// Temporal is away for one, the sweeper makes up for out of the row; so nothing depends on them but being on time. Of
// local times that a change of clocks leaves out or brings twice, Temporal passes over the former and takes the second
// of the latter: in those two nights of a year the sweeper is first, some 20 s after the due time.
import {
  type Client,
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  ScheduleOverlapPolicy,
  type ScheduleOptions,
} from '@temporalio/client';
import type { Logger } from 'pino';
import type { Db } from '../../activities/store/db/database.ts';
import type { ScheduleRow } from '../../activities/store/schedules/schedule-row.ts';
import { markTold, readSchedule } from '../../activities/store/schedules/schedules.ts';
import { searchAttributes, taskQueues, workflowId } from '../../workflows/contracts/messages.ts';
import { cronsOf, zoneName } from '../../workflows/schedule/due-times.ts';
import type { ScheduleRunInput } from '../../workflows/contracts/activities.ts';

export interface Timers {
  /** After the commit of a change. Never throws; the sweeper repeats what Temporal did not hear. */
  tell(schedule: Pick<ScheduleRow, 'id'>): void;
  /** Resolves when nothing is under way. */
  settled(): Promise<void>;
}

// As for starts: a request does not wait for a Temporal that is dead.
const deadlineMs = 1000;
// A pause of Temporal's server is made up for by itself; what takes longer is ours.
const catchUp = '1 minute';

export function createTimers({ db, client, logger }: { db: Db; client: Client; logger: Logger }): Timers {
  const underWay = new Set<Promise<void>>();

  /** Until what Temporal was told is what the row says: another process may have told it an older version meanwhile. */
  async function tellNewest(id: string): Promise<void> {
    for (;;) {
      const row = await readSchedule(db, id);
      await client.connection.withDeadline(Date.now() + deadlineMs, () => put(client, row));
      if (await markTold(db, row)) return;
    }
  }

  return {
    tell({ id }) {
      const telling = tellNewest(id)
        .catch((error: unknown) =>
          logger.warn(
            { err: error, scheduleId: id },
            'a schedule did not reach Temporal; the sweeper repeats it',
          ),
        )
        .finally(() => underWay.delete(telling));
      underWay.add(telling);
    },
    async settled() {
      await Promise.all(underWay);
    },
  };
}

async function put(client: Client, row: ScheduleRow): Promise<void> {
  const handle = client.schedule.getHandle(workflowId('schedule', row.id));
  if (row.deleted_at) {
    await handle.delete().catch((error: unknown) => {
      if (!(error instanceof ScheduleNotFoundError)) throw error;
    });
    return;
  }
  const options = optionsOf(row);
  try {
    await client.schedule.create(options);
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    const { spec, action, policies, state } = options;
    await handle.update(() => ({ spec, action, policies, state }));
  }
}

type Told = ScheduleOptions & Required<Pick<ScheduleOptions, 'policies' | 'state'>>;

function optionsOf({ id, tenant_id: tenantId, name, definition, enabled, version }: ScheduleRow): Told {
  const { cron, everySeconds, timeZone, jitterSeconds } = definition;
  const input: ScheduleRunInput = { tenantId, scheduleId: id };
  return {
    scheduleId: workflowId('schedule', id),
    spec: {
      ...(cron === null
        ? { intervals: [{ every: `${everySeconds ?? 0} seconds` }] }
        : { cronExpressions: cronsOf(cron), timezone: zoneName(timeZone) ?? timeZone }),
      jitter: `${jitterSeconds} seconds`,
    },
    action: {
      type: 'startWorkflow',
      workflowType: 'scheduleRun',
      // Temporal adds the due time.
      workflowId: workflowId('schedule', id),
      taskQueue: taskQueues.wf,
      args: [input],
      workflowTaskTimeout: '4 seconds',
      typedSearchAttributes: [{ key: searchAttributes.tenant, value: tenantId }],
      staticSummary: `A due time of ${name}`,
    },
    // Which of them gives way is decided in rows, where the ledger is written.
    policies: { overlap: ScheduleOverlapPolicy.ALLOW_ALL, catchupWindow: catchUp },
    state: { paused: !enabled, note: `${name}, version ${version}` },
  };
}
