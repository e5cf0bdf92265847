// Pages of past events as frames, read once for all that catch up: 500 readers that come back after a restart cost
// as many queries as one. A page never changes once it is read, so it is kept as long as there is room.
import { LRUCache } from 'lru-cache';
import type { Db } from '../../activities/store/db/database.ts';
import { createLimit } from '../../activities/store/db/limit.ts';
import { type Frames, Skipped, toFrames } from './frames.ts';
import { keyOf, numberIn, readTopic, type Topic } from './topics.ts';

export interface Pages {
  /**
   * The page that holds the event after `after`, which is not below the floor; `position` is how far the topic is known
   * to have come. Throws Skipped when the floor has risen since.
   */
  around(topic: Topic, after: number, known: { position: number; floor: number }): Promise<Frames>;
}

// Small enough to be read in a few milliseconds, large enough that 10,000 events are ten queries.
const pageEvents = 1_000;
// About two hundred pages of text deltas: what many readers at once catch up on.
const keepBytes = 64 * 1024 * 1024;
// Reading back must leave connections of the pool to requests that start something.
const readsAtOnce = 4;

export function createPages(db: Db, tenantId: string): Pages {
  const limited = createLimit(readsAtOnce);
  const kept = new LRUCache<string, Frames, { topic: Topic; from: number; to: number }>({
    maxSize: keepBytes,
    sizeCalculation: (frames) => frames.bytes.length + 1,
    // A page pushed out while it was being read still goes to readers that wait for it.
    ignoreFetchAbort: true,
    // A reader that asks while the page is read waits for the same read.
    fetchMethod: (_key, _stale, { context: { topic, from, to } }) =>
      limited(async () => {
        const events = await readTopic(db, tenantId, topic, { after: from, limit: to - from });
        const frames = toFrames(from, events, numberIn(topic));
        if (frames.to !== to) throw new Skipped(`${keyOf(topic)} ends at ${frames.to} instead of ${to}.`);
        return frames;
      }),
  });
  return {
    async around(topic, after, { position, floor }) {
      // Pages begin at round numbers, so that readers with different cursors share them.
      const round = after - (after % pageEvents);
      const from = Math.max(round, floor);
      const to = Math.min(round + pageEvents, position);
      const key = `${keyOf(topic)} ${from} ${to}`;
      return kept.forceFetch(key, { context: { topic, from, to } });
    },
  };
}
