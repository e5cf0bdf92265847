// Schedules whose occurrences are begun by hand and looked at as their workflows do.
import { defaultTenant } from '../../activities/store/db/database.ts';
import { endRun } from '../../activities/store/lifecycle/end-run.ts';
import { usualRetention } from '../../activities/store/retention/retention-table.ts';
import { lockRunAndConversation } from '../../activities/store/runs/runs.ts';
import { attend, type Attended } from '../../activities/store/schedules/attend.ts';
import { openByHand } from '../../activities/store/schedules/due.ts';
import type { OccurrenceRow } from '../../activities/store/schedules/occurrences.ts';
import type { ScheduleRow } from '../../activities/store/schedules/schedule-row.ts';
import { changeSchedule, insertSchedule, lockForChange } from '../../activities/store/schedules/schedules.ts';
import { type ScheduleBody, toDefinition } from '../../workflows/contracts/schedule.ts';
import { startNeeds } from './start-needs.ts';
import type { TestStore } from './store.ts';

const author = { tenantId: defaultTenant, by: 'test' };
const begins = { needs: startNeeds, retention: usualRetention };

export function occurrencesOf(of: () => TestStore) {
  let made = 0;

  return {
    async schedule(body: Partial<ScheduleBody> = {}): Promise<ScheduleRow> {
      made += 1;
      const usual = { name: `test-${made}`, cron: '0 0 1 1 *', run: { prompt: 'Go.' } };
      const definition = toDefinition({ ...usual, ...body });
      return of().log.write('test', (write) => insertSchedule(write, definition, author));
    },

    async edit({ id }: ScheduleRow, body: Partial<ScheduleBody>): Promise<void> {
      await of().log.write('test', async (write) => {
        const row = await lockForChange(write, defaultTenant, id);
        const definition = toDefinition({ ...row.definition, ...body });
        await changeSchedule(write, row, { definition, enabled: true }, author);
      });
    },

    async begin({ id }: ScheduleRow): Promise<OccurrenceRow> {
      return of().log.write('test', async (write) => {
        const { row } = await openByHand(write, await lockForChange(write, defaultTenant, id), new Date());
        return row;
      });
    },

    look(
      { id, schedule_id: scheduleId, generation }: OccurrenceRow,
      now = new Date(),
      executionId = 'one',
    ): Promise<Attended> {
      const own = { tenantId: defaultTenant, scheduleId, occurrenceId: id, generation, executionId };
      return of().log.write('test', (write) => attend(write, begins, own, now));
    },

    async end({ row }: Attended, status: 'succeeded' | 'failed' | 'cancelled'): Promise<void> {
      const reason = { succeeded: 'finished', failed: 'model_failed', cancelled: 'cancelled' } as const;
      await of().log.write('test', async (write) => {
        const run = await lockRunAndConversation(write, defaultTenant, row?.run_id ?? '');
        if (!run) throw new Error('It has no run.');
        await write.tx.updateTable('runs').set({ status: 'running' }).where('id', '=', run.id).execute();
        const ending = { status, reason: reason[status], reasonText: `It ${status}.` };
        await endRun(write, { ...run, status: 'running' }, ending);
      });
    },
  };
}
