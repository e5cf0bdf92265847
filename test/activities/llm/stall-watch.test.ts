import { once } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createStallWatch, type StallWatch } from '../../../activities/llm/stall-watch.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const limits = { firstMs: 600, betweenMs: 180, callMs: 500, totalMs: 5_000 };
const begun = { type: 'text-delta', id: '1', delta: 'So' } as const;
const call = { type: 'tool-input-start', id: '1', toolName: 'write' } as const;

/** Waits for so long, while bytes come at that interval, and says why it was given up. */
async function wait(watch: StallWatch, ms: number, everyMs = Number.POSITIVE_INFINITY): Promise<string> {
  const beat = everyMs < ms ? setInterval(watch.alive, everyMs) : undefined;
  const waiting = watch.during(() => new Promise<void>((resolve) => setTimeout(resolve, ms)));
  await vi.advanceTimersByTimeAsync(ms);
  await waiting;
  clearInterval(beat);
  return watch.signal.aborted ? String((watch.signal.reason as Error).message) : 'waits';
}

test('silence has its limit before an answer, in it, and a longer one in a call that has begun', async () => {
  const watch = createStallWatch(limits);
  expect(await wait(watch, 599)).toBe('waits');
  watch.saw(begun);
  expect(await wait(watch, 179)).toBe('waits');
  watch.saw(call);
  expect(await wait(watch, 499)).toBe('waits');
  watch.saw({ type: 'tool-call', toolCallId: '1', toolName: 'write', input: '{}' });
  expect(await wait(watch, 181)).toBe('The model sent nothing for 1 s');
});

test('bytes of any kind extend the silence, and never the limit of the whole call', async () => {
  const watch = createStallWatch(limits);
  watch.saw(begun);
  expect(await wait(watch, 4_900, 100)).toBe('waits');
  expect(await wait(watch, 200, 100)).toBe('The answer was not whole after 5 s');
});

test('what came while the process stood still was no silence', async () => {
  vi.useRealTimers();
  const watch = createStallWatch({ ...limits, firstMs: 20 });
  const { port1, port2 } = new MessageChannel();
  const answer = new Promise<void>((resolve) =>
    port1.once('message', () => {
      watch.alive();
      setTimeout(resolve, 5);
    }),
  );
  port2.postMessage('bytes');
  const waiting = watch.during(() => answer);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
  await waiting;
  port1.close();
  expect(watch.signal.aborted).toBe(false);
  const silent = watch.during(() => once(watch.signal, 'abort'));
  await silent;
  expect(String((watch.signal.reason as Error).message)).toBe('The model sent nothing for 1 s');
});

test('the time that the reader takes for itself counts for nothing', async () => {
  const watch = createStallWatch(limits);
  for (let part = 0; part < 10; part += 1) {
    expect(await wait(watch, 100)).toBe('waits');
    await vi.advanceTimersByTimeAsync(10_000);
  }
});
