import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type RunStatus, runStatuses } from '../../../workflows/contracts/run.ts';
import {
  activeStatuses,
  canBecome,
  isTerminal,
  snapshotStatuses,
} from '../../../workflows/run/transitions.ts';

const anyStatus = fc.constantFrom(...runStatuses);
const ends: RunStatus[] = ['succeeded', 'failed', 'timed_out', 'interrupted', 'cancelled'];

test('whatever a run is asked to become, once it has ended it stays as it ended', () => {
  fc.assert(
    fc.property(fc.array(anyStatus, { maxLength: 30 }), (asked) => {
      let status: RunStatus = 'queued';
      let ended: RunStatus | undefined;
      for (const next of asked) {
        if (canBecome(status, next)) status = next;
        if (ended !== undefined) expect(status).toBe(ended);
        else if (isTerminal(status)) ended = status;
      }
    }),
  );
});

test('every status is either active or an end', () => {
  expect([...activeStatuses, ...ends].sort()).toEqual([...runStatuses].sort());
  expect(ends.every(isTerminal)).toBe(true);
});

test('every active run can fail and be stopped, and every end but success can be reached before it starts', () => {
  for (const status of activeStatuses) {
    expect([status, canBecome(status, 'failed'), canBecome(status, 'cancelled')]).toEqual([
      status,
      true,
      true,
    ]);
    expect([status, canBecome(status, 'interrupted')]).toEqual([status, true]);
  }
  expect(ends.filter((end) => canBecome('queued', end))).toEqual([
    'failed',
    'timed_out',
    'interrupted',
    'cancelled',
  ]);
});

test('no run is what it already is, and none goes back to the queue', () => {
  for (const status of runStatuses) {
    expect([status, canBecome(status, status), canBecome(status, 'queued')]).toEqual([status, false, false]);
  }
});

test('a conversation goes on from what was kept, never from what failed or was discarded', () => {
  expect(snapshotStatuses).toEqual(['succeeded', 'interrupted', 'timed_out']);
});
