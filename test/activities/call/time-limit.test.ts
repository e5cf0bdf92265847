import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createTimeLimit } from '../../../activities/call/time-limit.ts';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

test('a call has its time, and what it waits for the store is not counted', async () => {
  const limit = createTimeLimit(1_000);
  await vi.advanceTimersByTimeAsync(400);
  const stored = Promise.withResolvers<string>();
  const waiting = Promise.all([limit.uncounted(() => stored.promise), limit.uncounted(() => stored.promise)]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(limit.signal.aborted).toBe(false);
  stored.resolve('kept');
  expect(await waiting).toEqual(['kept', 'kept']);
  await vi.advanceTimersByTimeAsync(599);
  expect(limit.signal.aborted).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(limit.signal.aborted).toBe(true);
});
