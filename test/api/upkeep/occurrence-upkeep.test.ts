import { expect, onTestFinished, test, vi } from 'vitest';
import { seedTenantAllowance } from '../../../activities/store/allowances/change-limits.ts';
import { defaultTenant } from '../../../activities/store/db/database.ts';
import { ensureBuiltIns } from '../../../activities/store/policies/policies.ts';
import { occurrenceId } from '../../../activities/store/schedules/due.ts';
import { findOccurrence } from '../../../activities/store/schedules/occurrences.ts';
import { listUntold } from '../../../activities/store/schedules/schedules.ts';
import { createOccurrenceUpkeep } from '../../../api/upkeep/occurrence-upkeep.ts';
import { occurrencesOf } from '../../support/occurrences.ts';
import { openTestStore } from '../../support/store.ts';

const store = await openTestStore();
const { schedule, begin, look } = occurrencesOf(() => store);
const { db } = store.database;

function keeping() {
  const told: string[] = [];
  const waysOf = (what: string) => ({
    started: ({ id, generation }: { id: string; generation: number }) =>
      void told.push(`${what} ${id} started, ${generation}`),
    wake: (id: string) => void told.push(`${what} ${id} woken`),
    // Temporal has had a workflow by that name.
    isStarted: () => true,
    async cancel() {},
    async settled() {},
    async describe() {
      return undefined;
    },
  });
  const timers = { tell: () => undefined, async settled() {} };
  const ways = { occurrences: waysOf('occurrence'), runs: waysOf('run'), timers };
  return { told, upkeep: createOccurrenceUpkeep({ log: store.log, ...ways }) };
}

test('a due time that passed is made up for although its workflow closed before it looked, and others hear of it', async () => {
  const hourMs = 3_600_000;
  const thisHour = Math.floor(Date.now() / hourMs) * hourMs;
  // None begins, and is due, while this looks.
  vi.setSystemTime(thisHour + hourMs / 2);
  onTestFinished(() => void vi.useRealTimers());
  await ensureBuiltIns(db, defaultTenant);
  await seedTenantAllowance(db, defaultTenant);
  const of = await schedule({ everySeconds: 3600, cron: null, overlap: 'cancel-old' });
  const { row: running } = await look(await begin(of));
  if (!running?.run_id) throw new Error('It did not begin.');
  await db.updateTable('runs').set({ execution_id: 'begun' }).where('id', '=', running.run_id).execute();
  const dueAt = new Date(thisHour - hourMs);
  const past = { settled_until: new Date(dueAt.getTime() - 1), next_due_at: dueAt, told_version: 1 };
  await db.updateTable('schedules').set(past).where('id', '=', of.id).execute();
  const { told, upkeep } = keeping();
  for (const each of upkeep.chores) await each.act();
  const latest = occurrenceId(of.id, new Date(thisHour));
  expect(told).toEqual([`occurrence ${latest} started, 0`, `run ${running.run_id} woken`]);
  expect((await listUntold(db, 10)).map(({ id }) => id)).toEqual([of.id]);
  const row = await findOccurrence(db, latest);
  if (!row) throw new Error('It is not in the ledger.');
  expect(row).toMatchObject({ outcome: 'waiting', attempts: 0 });
  // The reconciler finds that it has no workflow.
  await upkeep.endLost(row);
  expect(told.at(-1)).toBe(`occurrence ${latest} started, 1`);
});
