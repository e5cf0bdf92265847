import { setImmediate as nextTurn } from 'node:timers/promises';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { collectWhenQuiet } from '../../worker/idle-garbage.ts';

test('a process that is quiet gives its garbage back, a busy one keeps it', async () => {
  let busy = 0.5;
  let look = (): void => undefined;
  let isStopped = false;
  const chores = {
    run: () => undefined,
    every(_name: string, _everyMs: number, act: () => unknown) {
      look = () => void act();
      return () => {
        isStopped = true;
      };
    },
  };
  const stop = collectWhenQuiet(chores, () => busy);
  // In the old generation, where only a whole collection finds it.
  const garbage = new WeakRef({ numbers: Array.from({ length: 2_000_000 }, () => 0.5) });
  // What was looked at is kept until its turn of the event loop has ended: this one leaves it, and V8 has no reason for
  // another of its own so soon.
  (runInNewContext('gc') as () => void)();
  await nextTurn();
  look();
  expect(garbage.deref()).toBeDefined();
  busy = 0.01;
  await nextTurn();
  look();
  expect(garbage.deref()).toBeUndefined();
  stop();
  expect(isStopped).toBe(true);
});
