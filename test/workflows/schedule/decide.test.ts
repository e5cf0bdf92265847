import { expect, test } from 'vitest';
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
});

test('what gives way while earlier ones are open', () => {
  const overlaps = ['skip', 'queue-one', 'cancel-old', 'allow'] as const;
  expect(overlaps.map((overlap) => [0, 1, 2].map((open) => givesWay(overlap, open)))).toEqual([
    ['begin', 'skip', 'skip'],
    ['begin', 'wait', 'merge'],
    ['begin', 'replace', 'merge'],
    ['begin', 'begin', 'begin'],
  ]);
});

test('pauses after failed attempts double up to an hour', () => {
  expect([1, 2, 6, 7, 40].map((attempts) => pauseAfter(attempts) / 60_000)).toEqual([1, 2, 32, 60, 60]);
  expect([1, 2, 10, 11, 40].map((failed) => backOffMs(failed) / 1000)).toEqual([5, 10, 2560, 3600, 3600]);
});
