import pino from 'pino';
import { beforeAll, expect, test } from 'vitest';
import { seedTenantAllowance } from '../../../../activities/store/allowances/change-limits.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { ensureBuiltIns } from '../../../../activities/store/policies/policies.ts';
import { listDeadLetters } from '../../../../activities/store/runs/dead-letters.ts';
import { refuse } from '../../../../activities/store/schedules/attend.ts';
import { endJob, nextJob } from '../../../../activities/store/schedules/jobs.ts';
import { createJobChore } from '../../../../api/upkeep/job-chore.ts';
import { listUnseen, occurrenceTable } from '../../../../activities/store/schedules/occurrence-lists.ts';
import { changeSchedule, lockForChange } from '../../../../activities/store/schedules/schedules.ts';
import { Failure } from '../../../../workflows/contracts/failures.ts';
import { occurrencesOf } from '../../../support/occurrences.ts';
import { openTestStore, type TestStore } from '../../../support/store.ts';

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore();
  await ensureBuiltIns(store.database.db, defaultTenant);
  await seedTenantAllowance(store.database.db, defaultTenant);
});

const author = { tenantId: defaultTenant, by: 'test' };
const { schedule, begin, look, end, edit } = occurrencesOf(() => store);

test('a failing run is tried again after 1, 2, 4 … minutes, and the last attempt is a dead letter', async () => {
  const row = await begin(await schedule({ attempts: 3 }));
  let now = Date.now();
  let seen = await look(row, new Date(now));
  const runs = [seen.row?.run_id];
  for (const [attempt, minutes] of [
    [1, 1],
    [2, 2],
  ] as const) {
    await end(seen, 'failed');
    seen = await look(row, new Date(now));
    expect(seen).toMatchObject({
      againMs: minutes * 60_000,
      row: {
        outcome: 'waiting',
        attempts: attempt,
        reason: expect.stringMatching(`^Attempt ${attempt} failed: It failed. `),
      },
    });
    // A look in between, by a wake that came twice, begins nothing.
    expect((await look(row, new Date(now + 1000))).againMs).toBe(minutes * 60_000 - 1000);
    now += minutes * 60_000;
    seen = await look(row, new Date(now));
    runs.push(seen.row?.run_id);
  }
  await end(seen, 'failed');
  seen = await look(row, new Date(now));
  expect(seen.row).toMatchObject({
    outcome: 'dead',
    attempts: 3,
    reason: 'All 3 attempts failed; the last one: It failed.',
  });
  expect(new Set(runs).size).toBe(3);
  const letters = await listDeadLetters(store.database.db, {
    tenantId: defaultTenant,
    limit: 10,
    open: true,
  });
  expect(letters).toMatchObject([
    {
      kind: 'schedule',
      run_id: runs[2],
      attempts: 3,
      reason: expect.stringMatching(/^Schedule test-\d+: All 3/),
    },
  ]);
});

test.each([
  ['succeeded', 'ran', null],
  ['failed', 'failed', 'It failed.'],
  // Stopping it was a person's will: it is not tried again.
  ['cancelled', 'failed', 'It cancelled.'],
] as const)('a run that has %s makes its occurrence %s', async (status, outcome, reason) => {
  const attempts = status === 'failed' ? 1 : 5;
  const row = await begin(await schedule({ attempts }));
  const seen = await look(row);
  expect(seen.row).toMatchObject({ outcome: 'running', attempts: 1 });
  // Whether the answer was lost or a wake came for nothing: there is one run.
  expect((await look(row)).row).toEqual(seen.row);
  await end(seen, status);
  const ended = await look(row);
  expect(ended.row).toMatchObject({ outcome, reason, run_id: seen.row?.run_id, ended_at: expect.any(Date) });
  expect((await look(row)).row).toEqual(ended.row);
});

test('the pruning of a night is asked for once, by hand as often as a person wants', async () => {
  const of = await schedule({ run: null, job: 'prune' });
  const nightOf = async (byHand: boolean): Promise<void> => {
    const row = await begin(of);
    await store.database.db
      .updateTable('occurrences')
      .set({ by_hand: byHand, ...(!byHand && { due_at: '2026-01-05 03:00Z' }) })
      .where('id', '=', row.id)
      .execute();
    expect(await look(row)).toMatchObject({ row: { outcome: 'ran', attempts: 1, run_id: null } });
  };
  await nightOf(false);
  await nightOf(true);
  await nightOf(true);
  const kept = await store.database.db.selectFrom('prunings').select(['night', 'by']).execute();
  expect(kept.map(({ night, by }) => [night !== null, by])).toEqual(
    [true, false, false].map((isNight) => [isNight, `schedule ${of.name}`]),
  );
});

test('a job is at work until what became of it is written: by whichever process does it, once, whatever its schedule becomes', async () => {
  const of = await schedule({ run: null, job: 'backup' });
  const [row, second] = [await begin(of), await begin(await schedule({ run: null, job: 'backup-check' }))];
  const running = { row: { outcome: 'running', attempts: 1, run_id: null }, againMs: 60_000 };
  expect(await look(row)).toMatchObject(running);
  await edit(of, { job: null, run: { prompt: 'Go.' } });
  expect(await look(row)).toMatchObject(running);
  // Nothing is there for it to see meanwhile: no sweep wakes it.
  expect((await listUnseen(store.database.db, -1000, 1000)).filter(({ id }) => id === row.id)).toEqual([]);
  await look(second);
  const late = await begin(await schedule({ run: null, job: 'backup' }));
  await store.database.db.updateTable('occurrences').set({ late: true }).where('id', '=', late.id).execute();
  await look(late);
  const done: string[] = [];
  const jobs = {
    async backup() {
      done.push('backup');
      // Another process, that took this one for dead, was quicker.
      const open = await nextJob(store.database.db);
      if (open) await endJob(store.log, open, { outcome: 'ran', reason: 'Made.' });
      return 'Made late.';
    },
    async 'backup-check'(): Promise<string> {
      done.push('check');
      throw new Error('There is no backup.');
    },
  };
  const woken: string[] = [];
  const wake = (id: string): void => void woken.push(id);
  const chore = createJobChore({ log: store.log, jobs, wake, logger: pino({ level: 'silent' }) });
  while ((await nextJob(store.database.db)) !== undefined) await chore.act();
  expect(await look(row)).toMatchObject({ row: { outcome: 'ran', reason: 'Made.' } });
  expect(await look(second)).toMatchObject({ row: { outcome: 'failed', reason: 'There is no backup.' } });
  expect(await look(late)).toMatchObject({ row: { outcome: 'late', reason: 'Made.' } });
  expect(done).toEqual(['backup', 'check', 'backup']);
  await expect.poll(() => woken).toEqual([second.id]);
});

test('one that waits begins at the end of the one before, and hears of it', async () => {
  const of = await schedule({ overlap: 'queue-one' });
  const [first, second] = [await begin(of), await begin(of)];
  const running = await look(first);
  const waiting = await look(second);
  expect(waiting).toMatchObject({ row: { outcome: 'waiting', run_id: null } });
  await end(running, 'succeeded');
  expect((await look(first)).next).toBe(second.id);
  expect((await look(second)).row).toMatchObject({ outcome: 'running' });
});

test('one that is to be tried again waits for a later one that is at work', async () => {
  const of = await schedule({ overlap: 'allow', attempts: 2 });
  const first = await begin(of);
  await end(await look(first), 'failed');
  await look(first);
  const running = await look(await begin(of));
  await edit(of, { overlap: 'queue-one' });
  const later = new Date(Date.now() + 60_000);
  expect((await look(first, later)).row).toMatchObject({ outcome: 'waiting', attempts: 1 });
  await end(running, 'succeeded');
  expect((await look(running.row ?? first, later)).next).toBe(first.id);
  expect((await look(first, later)).row).toMatchObject({ outcome: 'running', attempts: 2 });
});

test('an older run is cancelled for the next, which begins at its end', async () => {
  const of = await schedule({ overlap: 'cancel-old' });
  const first = await begin(of);
  const running = await look(first);
  const second = await begin(of);
  // No workflow had taken the run up: it ended at once.
  expect((await store.run(running.row?.run_id ?? '')).status).toBe('cancelled');
  expect((await look(second)).row).toMatchObject({ outcome: 'waiting' });
  expect((await look(first)).row).toMatchObject({
    outcome: 'failed',
    reason: 'Cancelled before it started.',
  });
  expect((await look(second)).row).toMatchObject({ outcome: 'running' });
});

test('one that waits does not begin once the schedule is switched off', async () => {
  const of = await schedule();
  const row = await begin(of);
  await store.database.db
    .updateTable('occurrences')
    .set({ by_hand: false })
    .where('id', '=', row.id)
    .execute();
  await store.log.write('test', async (write) =>
    changeSchedule(write, await lockForChange(write, defaultTenant, of.id), { enabled: false }, author),
  );
  expect((await look(row)).row).toMatchObject({
    outcome: 'skipped',
    reason: 'The schedule was switched off or deleted.',
  });
});

test.each([
  ['AllowanceExceeded', 'refused'],
  ['ConversationBusy', 'skipped'],
  ['ProjectBusy', 'skipped'],
  ['UnknownModel', 'failed'],
] as const)('a run that is refused with %s is told as %s', async (code, outcome) => {
  const row = await begin(await schedule());
  const own = { tenantId: defaultTenant, scheduleId: row.schedule_id, occurrenceId: row.id };
  const seen = await store.log.write('test', (write) =>
    refuse(write, { ...own, generation: 0, executionId: 'one' }, new Failure(code, 'So it is.')),
  );
  expect(seen.row).toMatchObject({ outcome, reason: 'So it is.', run_id: null, attempts: 0 });
});

test('an execution whose occurrence was given to another changes nothing', async () => {
  const row = await begin(await schedule());
  await look(row);
  expect((await look(row, new Date(), 'two')).row).toBeUndefined();
  const taken = { id: row.id, execution_id: 'one', generation: 0 };
  const another = await occurrenceTable.giveAnother(store.database.db, taken);
  expect(await occurrenceTable.giveAnother(store.database.db, taken)).toBeUndefined();
  expect((await look(row)).row).toBeUndefined();
  if (!another) throw new Error('It was not given.');
  expect((await look(another, new Date(), 'two')).row).toMatchObject({
    outcome: 'running',
    execution_id: 'two',
  });
});

test('the sweeper finds those that no workflow attends, and those whose run has ended or whose turn has come', async () => {
  const of = await schedule({ overlap: 'queue-one' });
  const [first, second] = [await begin(of), await begin(of)];
  const { db } = store.database;
  const mine = (rows: { id: string }[]) => rows.map(({ id }) => id).filter((id) => id.startsWith(of.id));
  const unattended = async () => mine(await occurrenceTable.listUnstarted(db, -1000, 1000)).toSorted();
  expect(await unattended()).toEqual([first.id, second.id].toSorted());
  const running = await look(first);
  await look(second);
  expect(await unattended()).toEqual([]);
  const unseen = async () => mine(await listUnseen(db, -1000, 1000));
  expect(await unseen()).toEqual([]);
  await end(running, 'succeeded');
  expect(await unseen()).toEqual([first.id]);
  await look(first);
  expect(await unseen()).toEqual([second.id]);
  await look(second);
  expect(await unseen()).toEqual([]);
});
