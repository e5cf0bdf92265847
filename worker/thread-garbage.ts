// Loaded first into every thread of a role: one that a library has started, as for the workflows, has a heap of its own,
// which only code in it can have collected. The thread of the process itself sees to its own.
import { isMainThread } from 'node:worker_threads';
import { collectWhenQuiet } from './idle-garbage.ts';

if (!isMainThread) {
  collectWhenQuiet({
    every(_name, everyMs, act) {
      // It keeps no thread from ending.
      const timer = setInterval(act, everyMs).unref();
      return () => clearInterval(timer);
    },
  });
}
