import { expect, test } from 'vitest';
import { overlaps } from '../../../workflows/contracts/schedule.ts';
import { givesWay, pauseAfter, planDue } from '../../../workflows/schedule/decide.ts';
import { backOffMs } from '../../../workflows/tasks/back-off.ts';

const now = new Date('2026-11-30T12:00:00Z');
const ago = (seconds: number): Date => new Date(now.getTime() - seconds * 1000);

test('what is due now begins; of what was missed the latest does, late, where it is young enough', () => {
  const plan = (due: number[], jitterSeconds = 0) =>
    planDue(due.map(ago), now, { jitterSeconds, catchUpSeconds: 600 }).map(({ late, missed }) => [
      late,
      missed,
    ]);
  const stoodFor = 'Missed; a later due time stands for it.';
  expect(plan([61, 60])).toEqual([
    [true, stoodFor],
    [false, undefined],
  ]);
  expect(plan([700, 600])).toEqual([
    [true, stoodFor],
    [true, undefined],
  ]);
  expect(plan([601])).toEqual([[true, 'Missed, and more than 600 s ago when it could have begun.']]);
  // Temporal may take all of the jitter.
  expect(plan([90], 30)).toEqual([[false, undefined]]);
  expect(plan([91], 30)).toEqual([[true, undefined]]);
  // And begins each before the next is due.
  expect(plan([110, 50], 3600)).toEqual([
    [false, undefined],
    [false, undefined],
  ]);
  expect(plan([121, 61, 1], 3600)).toEqual([
    [true, stoodFor],
    [false, undefined],
    [false, undefined],
  ]);
});

test('what becomes of a due time while earlier ones are open', () => {
  const one = { due_at: now, outcome: 'running', attempts: 1 };
  const another = { ...one, due_at: ago(-60) };
  const again = { due_at: ago(-120), outcome: 'waiting', attempts: 1 };
  const fresh = { due_at: ago(-180), outcome: 'waiting', attempts: 0 };
  const begins = { outcome: 'waiting', reason: null, cancels: [] };
  const it = 'the one due at 2026-11-30T12:00:00.000Z';
  for (const overlap of overlaps) expect(givesWay(overlap, [])).toEqual(begins);
  expect(givesWay('allow', [one, another, again, fresh])).toEqual(begins);
  const skipped = { outcome: 'skipped', reason: `T${it.slice(1)} had not ended.`, cancels: [] };
  for (const open of [[one], [one, another, again, fresh]]) expect(givesWay('skip', open)).toEqual(skipped);
  // Several are open where the schedule allowed that before it was edited.
  for (const open of [[one], [one, another, again]]) {
    const waits = { outcome: 'waiting', reason: `Waits for ${it} to end.`, cancels: [] };
    expect(givesWay('queue-one', open)).toEqual(waits);
    const reason = `Waits for ${it} to end, which was cancelled for it.`;
    expect(givesWay('cancel-old', open)).toEqual({ ...waits, reason, cancels: open });
  }
  const merged = { outcome: 'merged', reason: `Another waits already for ${it} to end.`, cancels: [] };
  const open = [one, another, again, fresh];
  expect(givesWay('queue-one', open)).toEqual(merged);
  expect(givesWay('cancel-old', open)).toEqual({ ...merged, cancels: [one, another, again] });
});

test('pauses after failed attempts double up to an hour', () => {
  expect([1, 2, 6, 7, 40].map((attempts) => pauseAfter(attempts) / 60_000)).toEqual([1, 2, 32, 60, 60]);
  expect([1, 2, 10, 11, 40].map((failed) => backOffMs(failed) / 1000)).toEqual([5, 10, 2560, 3600, 3600]);
});
