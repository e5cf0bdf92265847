import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { type Opened, openDue } from '../../../../activities/store/schedules/due.ts';
import { type OccurrenceRow, setOutcome } from '../../../../activities/store/schedules/occurrences.ts';
import type { ScheduleRow } from '../../../../activities/store/schedules/schedule-row.ts';
import {
  changeSchedule,
  deleteSchedule,
  insertSchedule,
  lockSchedule,
} from '../../../../activities/store/schedules/schedules.ts';
import type { Write } from '../../../../activities/store/log/events.ts';
import { type Overlap, type ScheduleBody, toDefinition } from '../../../../workflows/contracts/schedule.ts';
import { dueTimes } from '../../../../workflows/schedule/due-times.ts';
import { openTestStore, type TestStore } from '../../../support/store.ts';

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore();
});

const author = { tenantId: defaultTenant, by: 'test' };
const minute = 60_000;
const hour = 60 * minute;
const start = new Date('2026-03-28T12:00:00Z');
let made = 0;

/** One that nothing was due of before `start`. */
async function schedule(body: Omit<ScheduleBody, 'name' | 'run'>): Promise<ScheduleRow> {
  made += 1;
  const definition = toDefinition({ name: `test-${made}`, run: { prompt: 'Go.' }, ...body });
  const row = await store.log.write('test', (write) => insertSchedule(write, definition, author));
  await store.database.db
    .updateTable('schedules')
    .set({ settled_until: start, next_due_at: start })
    .where('id', '=', row.id)
    .execute();
  return { ...row, settled_until: start };
}

function locked<T>({ id }: ScheduleRow, act: (write: Write, row: ScheduleRow) => Promise<T>): Promise<T> {
  return store.log.write('test', async (write) => {
    const row = await lockSchedule(write, defaultTenant, id);
    if (!row) throw new Error('It is not there.');
    return act(write, row);
  });
}

async function look(row: ScheduleRow, now: Date): Promise<Opened> {
  const opened = await locked(row, (write, current) => openDue(write, current, now));
  return opened.more ? look(row, now) : opened;
}

async function ledger(row: ScheduleRow): Promise<OccurrenceRow[]> {
  return store.database.db
    .selectFrom('occurrences')
    .selectAll()
    .where('schedule_id', '=', row.id)
    .orderBy('due_at')
    .execute();
}

const after = (ms: number): Date => new Date(start.getTime() + ms);

test.each([
  { outage: 'a minute', ms: minute, begins: 1, late: false },
  { outage: 'an hour', ms: hour + 2 * minute, begins: 1, late: true },
  { outage: 'two days', ms: 48 * hour + 2 * minute, begins: 1, late: true },
])(
  'after an outage of $outage only the latest due time begins, and the others say why not',
  async ({ ms, late }) => {
    // At each full hour; a minute past it is still in time.
    const row = await schedule({ cron: '0 * * * *', timeZone: 'Europe/Berlin' });
    const now = after(hour + ms);
    const { waiting } = await look(row, now);
    const rows = await ledger(row);
    expect(rows.map(({ due_at: at }) => at)).toEqual(dueTimes(row.definition, start, now, 100));
    expect(waiting.map(({ id, late: isLate }) => [id, isLate])).toEqual([[rows.at(-1)?.id, late]]);
    const passed = rows.slice(0, -1);
    const reason = 'Missed; a later due time stands for it.';
    expect(passed.map(({ outcome, reason: why }) => [outcome, why])).toEqual(
      passed.map(() => ['skipped', reason]),
    );
  },
);

test('what was missed longer ago than it may be made up for does not begin', async () => {
  const row = await schedule({ cron: '0 0 * * *', catchUpSeconds: 3600 });
  const { waiting } = await look(row, after(16 * hour));
  expect(waiting).toEqual([]);
  expect(await ledger(row)).toMatchObject([
    { outcome: 'skipped', reason: 'Missed, and more than 3600 s ago when it could have begun.' },
  ]);
});

test('jitter counts as in time', async () => {
  const row = await schedule({ cron: '0 13 * * *', jitterSeconds: 600, catchUpSeconds: 0 });
  const { waiting } = await look(row, after(hour + 10 * minute));
  expect(waiting.map(({ late }) => late)).toEqual([false]);
});

test('two days of every ten seconds are written in parts, each due time once', async () => {
  const row = await schedule({ everySeconds: 10 });
  const { waiting } = await look(row, after(48 * hour));
  const rows = await ledger(row);
  expect([rows.length, new Set(rows.map(({ due_at: at }) => at.getTime())).size]).toEqual([17_280, 17_280]);
  // Those of the last minute are due now, and the first of them has not ended.
  expect(waiting).toHaveLength(1);
});

test.each([
  ['the next look', (row: ScheduleRow, now: Date) => look(row, now).then(({ waiting }) => waiting.length), 1],
  [
    'a deletion',
    (row: ScheduleRow) =>
      locked(row, (write, current) => deleteSchedule(write, current, author)).then(() => 0),
    0,
  ],
] as const)(
  'after a year off %s tells of what was due before the last two days once',
  async (_by, act, begun) => {
    const row = await schedule({ everySeconds: 60, cron: null });
    const now = new Date();
    const yearAgo = new Date(now.getTime() - 365 * 24 * hour);
    await store.database.db
      .updateTable('schedules')
      .set({ settled_until: yearAgo })
      .where('id', '=', row.id)
      .execute();
    expect(await act(row, now)).toBe(begun);
    const [first, ...rest] = await ledger(row);
    expect(first).toMatchObject({
      due_at: dueTimes(row.definition, yearAgo, now, 1)[0],
      outcome: 'skipped',
      reason: expect.stringMatching(
        /^Missed, as was each due time after it until 20.*; this one stands for them\.$/,
      ),
    });
    // Two days of every minute, and perhaps the one that came while this test ran.
    expect([2880, 2881]).toContain(rest.length);
    expect(rest.every(({ due_at: at }) => now.getTime() - at.getTime() < 48 * hour)).toBe(true);
  },
);

test.each([
  ['skip', ['waiting', 'skipped', 'skipped', 'skipped']],
  ['queue-one', ['waiting', 'waiting', 'merged', 'merged']],
  ['cancel-old', ['skipped', 'skipped', 'skipped', 'waiting']],
  ['allow', ['waiting', 'waiting', 'waiting', 'waiting']],
] as [Overlap, string[]][])('while an earlier one has not begun, %s means %j', async (overlap, outcomes) => {
  const row = await schedule({ everySeconds: 600, overlap });
  for (const due of [1, 2, 3, 4]) await look(row, after(due * 600_000));
  expect((await ledger(row)).map(({ outcome }) => outcome)).toEqual(outcomes);
});

test('one that has ended stands in no way', async () => {
  const row = await schedule({ everySeconds: 600 });
  for (const due of [1, 2, 3]) {
    const { waiting } = await look(row, after(due * 600_000));
    await locked(row, (write) => setOutcome(write, waiting[0]?.id ?? '', { outcome: 'ran', reason: null }));
  }
  expect((await ledger(row)).map(({ outcome }) => outcome)).toEqual(['ran', 'ran', 'ran']);
});

test('a change, a switch and a deletion take nothing out of the ledger and bring nothing twice', async () => {
  // The product's own clock counts here: each was due in the last two minutes, and nothing has looked.
  const row = await schedule({ everySeconds: 60 });
  const since = new Date(Math.floor(Date.now() / 60_000) * 60_000 - 120_000);
  await store.database.db
    .updateTable('schedules')
    .set({ settled_until: since })
    .where('id', '=', row.id)
    .execute();
  const change = { definition: { ...row.definition, everySeconds: 90 }, enabled: true };
  const changed = await locked(row, (write, current) => changeSchedule(write, current, change, author));
  const times = dueTimes(row.definition, since, changed.settled_until, 10);
  const expected = times.map((at) => [
    at,
    'skipped',
    'The schedule was changed or switched off before it could begin.',
  ]);
  expect((await ledger(row)).map(({ due_at: at, outcome, reason }) => [at, outcome, reason])).toEqual(
    expected,
  );
  expect(changed.next_due_at).toEqual(dueTimes(changed.definition, changed.settled_until, after(1e14), 1)[0]);
  const same = await locked(row, (write, current) =>
    changeSchedule(
      write,
      current,
      { definition: { ...current.definition, attempts: 3 }, enabled: true },
      author,
    ),
  );
  expect(same.next_due_at).toEqual(changed.next_due_at);
  const off = await locked(row, (write, current) =>
    changeSchedule(write, current, { enabled: false }, author),
  );
  expect(off.next_due_at).toBeNull();
  expect((await look(row, after(1e12))).waiting).toEqual([]);
  await locked(row, (write, current) => deleteSchedule(write, current, author));
  // One may have been due between the change and the switch.
  const since90 = dueTimes(changed.definition, changed.settled_until, off.settled_until, 10);
  expect((await ledger(row)).map(({ due_at: at }) => at)).toEqual([...times, ...since90]);
});

test('after a clock was set back, what a changed schedule says is next is what will be due', async () => {
  const row = await schedule({ everySeconds: 60 });
  const ahead = new Date(Date.now() + hour);
  await look(row, ahead);
  const change = { definition: { ...row.definition, everySeconds: 90 }, enabled: true };
  const changed = await locked(row, (write, current) => changeSchedule(write, current, change, author));
  const [next] = dueTimes(changed.definition, ahead, after(1e14), 1);
  expect([changed.settled_until, changed.next_due_at]).toEqual([ahead, next]);
  await look(row, next ?? ahead);
  expect((await ledger(row)).at(-1)?.due_at).toEqual(next);
});

test('however the clock jumps and whoever looks, each due time is in the ledger once', async () => {
  const timings = [
    { cron: '*/20 1-3 * * *', timeZone: 'Europe/Berlin' },
    { cron: '30 2 * * *', timeZone: 'Europe/Berlin' },
    { everySeconds: 900 },
  ];
  const jump = fc.oneof(
    fc.integer({ min: 1, max: 10 }),
    fc.integer({ min: 50, max: 70 }),
    fc.integer({ min: 60, max: 2000 }),
    // A clock that is set back.
    fc.integer({ min: -120, max: -1 }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...timings),
      fc.constantFrom<Overlap>('skip', 'queue-one', 'cancel-old', 'allow'),
      fc.array(fc.record({ minutes: jump, ends: fc.boolean(), twice: fc.boolean() }), {
        minLength: 1,
        maxLength: 12,
      }),
      async (timing, overlap, steps) => {
        const row = await schedule({ ...timing, overlap });
        let now = start.getTime();
        let latest = now;
        for (const { minutes, ends, twice } of steps) {
          now += minutes * minute;
          latest = Math.max(latest, now);
          const looks = twice
            ? [look(row, new Date(now)), look(row, new Date(now))]
            : [look(row, new Date(now))];
          await Promise.all(looks);
          const open = (await ledger(row)).filter(({ ended_at: at }) => at === null);
          const most = { skip: 1, 'queue-one': 2, 'cancel-old': 1, allow: Infinity }[overlap];
          expect(open.length).toBeLessThanOrEqual(most);
          const [first] = open;
          if (ends && first)
            await locked(row, (write) => setOutcome(write, first.id, { outcome: 'ran', reason: null }));
        }
        const rows = await ledger(row);
        expect(rows.map(({ due_at: at }) => at)).toEqual(
          dueTimes(row.definition, start, new Date(latest), 10_000),
        );
      },
    ),
    { numRuns: 25 },
  );
});
