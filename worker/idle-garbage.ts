// Gives back the memory of garbage when a process has become quiet. V8 collects as a process allocates, so one that has
// started, or has had much to do, and then waits, would keep 50 to 100 MB that it does not use.
import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Chores } from './chores.ts';

/**
 * For every process of ours that runs for long. New objects first live in an area that V8 lets grow to 48 MB a thread and
 * never shrinks while there is work. A smaller area is collected more often, which costs some CPU time.
 */
export const servingHeap = ['--max-semi-space-size=4'];

// Twice within the time a person needs to look.
const lookMs = 5_000;
// Share of the time since the last look in which the event loop was busy, on a loaded machine also waiting for its turn. A
// collection holds it for 40 to 100 ms.
const quiet = 0.1;
// Less is not worth a collection.
const worthBytes = 4 * 1024 * 1024;

/** Tells each time how busy the event loop was since the last. */
function busyShares(): () => number {
  let before = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    return utilization;
  };
}

/** Until the function returned is called. */
export function collectWhenQuiet(chores: Chores, busyShare = busyShares()): () => void {
  // The only way to V8's collector from inside that needs no flag at the start.
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  let left = 0;
  return chores.every('giving memory back', lookMs, () => {
    if (busyShare() > quiet || process.memoryUsage.rss() < left + worthBytes) return;
    collect();
    left = process.memoryUsage.rss();
  });
}
