import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { keepHistory } from '../histories/keep.ts';
import { answer } from '../support/answer.ts';
import { type Kernel, withKernel } from '../support/kernel.ts';
import { defaultTenant } from '../../activities/store/db/database.ts';
import { occurrenceId, openByHand } from '../../activities/store/schedules/due.ts';
import { listOccurrences, type OccurrenceRow } from '../../activities/store/schedules/occurrences.ts';
import type { ScheduleRow } from '../../activities/store/schedules/schedule-row.ts';
import {
  deleteSchedule,
  insertSchedule,
  lockForChange,
  markTold,
  readSchedule,
} from '../../activities/store/schedules/schedules.ts';
import type { EventPayload } from '../../workflows/contracts/event.ts';
import { type ScheduleBody, toDefinition } from '../../workflows/contracts/schedule.ts';
import { workflowId } from '../../workflows/contracts/messages.ts';
import { dueTimes } from '../../workflows/schedule/due-times.ts';

const author = { tenantId: defaultTenant, by: 'test' };
// Far above what a busy machine takes for a due time of its own.
const longestMs = 40_000;

async function schedule(
  kernel: Kernel,
  body: Omit<ScheduleBody, 'name' | 'run'>,
  model: string,
  name = 'tests',
  run: Partial<ScheduleBody['run']> = {},
) {
  const definition = toDefinition({ name, ...body, run: { prompt: 'Go.', model, ...run } });
  return kernel.store.log.write('test', (write) => insertSchedule(write, definition, author));
}

function ledger({ store }: Kernel, { id }: ScheduleRow): Promise<OccurrenceRow[]> {
  return listOccurrences(store.database.db, { tenantId: defaultTenant, scheduleId: id, limit: 200 });
}

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + longestMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error('It did not come.');
    await sleep(50);
  }
}

async function take(kernel: Kernel, { id }: ScheduleRow): Promise<void> {
  await kernel.store.log.write('test', async (write) =>
    deleteSchedule(write, await lockForChange(write, defaultTenant, id), author),
  );
  kernel.timers.tell({ id });
  await kernel.timers.settled();
}

withKernel(
  (kernel) => {
    test('each due time is in the ledger once, with the run that Temporal woke it for', async () => {
      const row = await schedule(kernel, { everySeconds: 5 }, await kernel.script({ text: 'Done.' }));
      kernel.timers.tell(row);
      const ended = await until(async () => {
        const rows = await ledger(kernel, row);
        return rows.filter(({ outcome }) => outcome === 'ran').length >= 2 ? rows : undefined;
      });
      await take(kernel, row);
      const { settled_until: until_ } = await readSchedule(kernel.store.database.db, row.id);
      const due = dueTimes(row.definition, row.settled_until, until_, 100);
      const kept = (await ledger(kernel, row)).toReversed();
      expect(kept.map(({ due_at: at }) => at)).toEqual(due);
      const [first] = ended.toReversed();
      expect(first).toMatchObject({
        id: occurrenceId(row.id, due[0] ?? new Date()),
        outcome: 'ran',
        reason: null,
        attempts: 1,
        late: false,
      });
      const run = await kernel.store.run(first?.run_id ?? '');
      expect(run).toMatchObject({ status: 'succeeded', accepted_by: 'schedule tests', prompt: 'Go.' });
      const workflow = kernel.client.workflow.getHandle(workflowId('schedule', first?.id ?? ''));
      expect(await workflow.result()).toEqual({ outcome: 'ran', runId: run.id });
      keepHistory(kernel.client, workflow.workflowId);
      await expect(
        kernel.client.schedule.getHandle(workflowId('schedule', row.id)).describe(),
      ).rejects.toThrow();
    });

    test('what is started by hand goes the same way, and a second one waits for it where the schedule says so', async () => {
      const model = await kernel.script({ text: 'Done.' });
      const row = await schedule(kernel, { cron: '0 0 1 1 *', overlap: 'queue-one' }, model, 'by-hand');
      const begin = () =>
        kernel.store.log.write('test', async (write) =>
          openByHand(write, await lockForChange(write, defaultTenant, row.id), new Date()),
        );
      const [one, two, three] = [await begin(), await begin(), await begin()];
      expect([one, two, three].map(({ row: { outcome } }) => outcome)).toEqual([
        'waiting',
        'waiting',
        'merged',
      ]);
      for (const { opened } of [one, two])
        for (const each of opened.waiting) kernel.occurrences.started(each);
      const rows = await until(async () => {
        const all = await ledger(kernel, row);
        return all.every(({ ended_at: at }) => at) ? all : undefined;
      });
      expect(rows.map(({ outcome }) => outcome).toSorted()).toEqual(['merged', 'ran', 'ran']);
      const [first, second] = await Promise.all(
        [one, two].map(async ({ row: { id } }) =>
          kernel.store.run(rows.find((each) => each.id === id)?.run_id ?? ''),
        ),
      );
      expect(first?.ended_at && second && first.ended_at <= second.created_at).toBe(true);
    });

    test('a due time that Temporal let pass is made up for, and Temporal told anew', async () => {
      const row = await schedule(
        kernel,
        { cron: '0 0 1 1 *' },
        await kernel.script({ text: 'Done.' }),
        'passed',
      );
      const { db } = kernel.store.database;
      // The latest there was: all since then would be made up for.
      const due = new Date(Date.UTC(new Date().getUTCFullYear(), 0, 1));
      const definition = { ...row.definition, catchUpSeconds: 0 };
      const past = { settled_until: new Date(due.getTime() - 1), next_due_at: due };
      const change = { ...past, told_version: 1, definition: JSON.stringify(definition) };
      await db.updateTable('schedules').set(change).where('id', '=', row.id).execute();
      const { chores = [] } = kernel.upkeep.find(({ kind }) => kind.name === 'schedule') ?? {};
      // It is told with the pass after that which found it out.
      for (const each of [...chores, ...chores]) await each.act();
      const [kept] = await until(async () => {
        const rows = await ledger(kernel, row);
        return rows.length > 0 ? rows : undefined;
      });
      expect(kept).toMatchObject({ id: occurrenceId(row.id, due), outcome: 'skipped' });
      const told = await kernel.client.schedule.getHandle(workflowId('schedule', row.id)).describe();
      expect(told.state.note).toBe('passed, version 1');
      await take(kernel, row);
    });

    test('an occurrence whose workflow an operator terminates is attended by another', async () => {
      const model = await kernel.script(
        { calls: [{ tool: 'write', input: { path: 'a.txt', content: 'written' } }] },
        { text: 'Done.' },
      );
      // It waits for an answer, so it is still under way when its occurrence is terminated, on any machine.
      const row = await schedule(kernel, { cron: '0 0 1 1 *' }, model, 'terminated', {
        attended: true,
        policy: 'ask-everything',
      });
      const { row: begun } = await kernel.store.log.write('test', async (write) =>
        openByHand(write, await lockForChange(write, defaultTenant, row.id), new Date()),
      );
      kernel.occurrences.started(begun);
      const running = await until(async () =>
        (await ledger(kernel, row)).find(({ outcome }) => outcome === 'running'),
      );
      const handle = kernel.client.workflow.getHandle(workflowId('schedule', begun.id));
      await handle.terminate();
      const upkeep = kernel.upkeep.find(({ kind }) => kind.name === 'schedule');
      await upkeep?.endLost(running);
      const run = await kernel.store.run(running.run_id ?? '');
      const { payload } = await kernel.seen(run, 'approval-request');
      const { approvalId } = payload as EventPayload<'approval-request'>;
      await answer(kernel, run, approvalId, { status: 'denied' });
      const ended = await until(async () => (await ledger(kernel, row)).find(({ ended_at: at }) => at));
      expect(ended).toMatchObject({ outcome: 'ran', generation: 1, run_id: running.run_id });
      expect(await handle.result()).toEqual({ outcome: 'ran', runId: running.run_id });
    });

    test('what Temporal was told of is what the row says, whoever told it last', async () => {
      // It knows time zones in one spelling only.
      const row = await schedule(
        kernel,
        { cron: '30 4 13 * fri-sun', timeZone: 'europe/berlin' },
        'scripted/hello',
        'told',
      );
      kernel.timers.tell(row);
      await kernel.timers.settled();
      const described = await kernel.client.schedule.getHandle(workflowId('schedule', row.id)).describe();
      expect({
        next: described.info.nextActionTimes.slice(0, 5),
        paused: described.state.paused,
        policies: described.policies,
      }).toEqual({
        next: dueTimes(row.definition, new Date(), new Date(Date.now() + 90 * 86_400_000), 5),
        paused: false,
        policies: { overlap: 'ALLOW_ALL', catchupWindow: 60_000, pauseOnFailure: false },
      });
      expect(await markTold(kernel.store.database.db, { id: row.id, version: 7 })).toBe(false);
      await take(kernel, row);
    });
  },
  { replay: 'never' },
);
