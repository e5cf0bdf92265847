// Gives back the memory of garbage when a process has become quiet. V8 collects as a process allocates, so one that has
// started, or has had much to do, and then waits, would keep 50 to 100 MB that it does not use.
import { performance } from 'node:perf_hooks';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Chores } from './chores.ts';

/**
 * For every process of ours that runs for long. New objects first live in an area that V8 lets grow to 48 MB a thread and
 * does not shrink while there is work. Half of that costs no time that can be measured; with a quarter, a worker spent a
 * fifth of its busy time in collections.
 */
export const servingHeap = [
  '--max-semi-space-size=8',
  // As an option it goes on to every thread.
  `--import=${new URL('thread-garbage.ts', import.meta.url).href}`,
];

/**
 * The variables of such a process. glibc gives each thread that allocates an arena of its own, up to eight for each
 * processor, and what is free in one is of no use to the others: 8 to 12 MB of a worker.
 */
export const servingMemory = { MALLOC_ARENA_MAX: '1' };

// Twice within the time a person needs to look.
const lookMs = 5_000;
// Share of the time since the last look in which the event loop was busy, on a loaded machine also waiting for its turn. A
// collection holds it for 80 to 200 ms.
const quiet = 0.05;
// Less is not worth a collection.
const worthBytes = 4 * 1024 * 1024;

// The most thorough collection V8 has: it also moves what lives together and drops its caches. For twice the time of a
// plain one, a worker that has started is left with 55 to 60 MB of its own instead of 72 to 82.
const thorough = { type: 'major', execution: 'sync', flavor: 'last-resort' };

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

/** By the heap of this thread, free room in it included, and by what hangs on its objects. */
function heldBytes(): number {
  const { total_heap_size: heap, external_memory: external } = getHeapStatistics();
  return heap + external;
}

/** Collects the garbage of this thread, until the function returned is called. */
export function collectWhenQuiet(chores: Pick<Chores, 'every'>, busyShare = busyShares()): () => void {
  // The only way to V8's collector from inside that needs no flag at the start.
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (how: typeof thorough) => void;
  let left = 0;
  return chores.every('giving memory back', lookMs, () => {
    if (busyShare() > quiet || heldBytes() < left + worthBytes) return;
    collect(thorough);
    left = heldBytes();
  });
}
