// The one place of this process that knows which streams have grown: notices wake it, one query reads what is new
// in all of them, and every reader of a stream is handed the same bytes. A lost notice costs a second, no event.
import type { Logger } from 'pino';
import type { Db } from '../../activities/store/db/database.ts';
import { pass } from '../../activities/store/log/trace.ts';
import type { StreamHead } from '../../activities/store/log/tails.ts';
import type { Event } from '../../workflows/contracts/event.ts';
import { cutFrames, type Frames, Skipped } from './frames.ts';
import { createGrowth, type Growth, type Reader } from './growth.ts';
import { createPages, type Pages } from './pages.ts';
import { headsOf, keyOf, readTails, type Topic } from './topics.ts';

export interface Followed {
  /** How far the stream has come, as far as this process knows. */
  position(): number;
  /** The events after a number below that position, at most `maxBytes` of them, as they are shown. */
  after(number: number, maxBytes: number, shown: (frames: Frames) => Frames): Promise<Frames>;
  leave(): void;
}

export interface Hub {
  /** `head`: how far the caller has seen the stream to have come, and from where on it is whole. */
  follow(topic: Topic, head: Pick<StreamHead, 'seq' | 'floor'>, reader: Reader): Followed;
  /** A notice that streams have grown. */
  hear(payload: string): void;
  /** Looks for itself: notices may have been lost. */
  sweep(): Promise<void>;
  close(): void;
}

// A second is what a lost notice may cost.
const sweepMs = 1_000;
// Of one stream in one query; a stream that has more is read again at once.
const tailEvents = 500;

interface HubInput {
  db: Db;
  tenantId: string;
  logger: Logger;
}

export function createHub({ db, tenantId, logger }: HubInput): Hub {
  const followed = new Map<string, Growth>();
  const pages = createPages(db, tenantId);
  let grown = new Set<Growth>();
  let reading = false;
  let sweeping = false;
  let closed = false;

  function mark(growth: Growth | undefined): void {
    if (!growth || closed) return;
    grown.add(growth);
    if (!reading) void read();
  }

  /** Reads what is new, one query at a time: notices that come meanwhile are answered by the next one. */
  async function read(): Promise<void> {
    reading = true;
    try {
      while (grown.size > 0 && !closed) {
        const batch = [...grown];
        grown = new Set();
        const tails = await readTails(db, tenantId, batch, tailEvents);
        for (const growth of batch) {
          const key = keyOf(growth.topic);
          pass('read', key);
          hand(growth, tails.get(key) ?? []);
          pass('written', key);
        }
      }
    } catch (error) {
      logger.warn({ err: error }, 'cannot read new events; the next sweep tries again');
    } finally {
      reading = false;
    }
  }

  /** A stream that cannot be handed on is a fault of its own: the others go on. */
  function hand(growth: Growth, events: Event[]): void {
    try {
      growth.grow(events);
      if (events.length === tailEvents) grown.add(growth);
    } catch (error) {
      if (!(error instanceof Skipped)) logger.error({ err: error }, 'a stream cannot be followed');
      // Its readers come back and learn where they can start; for them it is followed anew.
      followed.delete(keyOf(growth.topic));
      for (const reader of growth.readers) reader.skipped();
    }
  }

  async function sweep(): Promise<void> {
    if (sweeping || followed.size === 0) return;
    sweeping = true;
    try {
      for (const growth of await behind(db, tenantId, [...followed.values()])) mark(growth);
    } catch (error) {
      logger.warn({ err: error }, 'cannot look for new events; trying again in a second');
    } finally {
      sweeping = false;
    }
  }

  function follow(topic: Topic, { seq, floor }: Pick<StreamHead, 'seq' | 'floor'>, reader: Reader): Followed {
    const key = keyOf(topic);
    const growth = followed.get(key) ?? createGrowth(topic, seq);
    followed.set(key, growth);
    growth.readers.add(reader);
    // Something may have come between the caller's look and now.
    mark(growth);
    return toFollowed(growth, pages, floor, () => {
      growth.readers.delete(reader);
      if (growth.readers.size === 0 && followed.get(key) === growth) followed.delete(key);
    });
  }

  const timer = setInterval(() => void sweep(), sweepMs);
  return {
    follow,
    hear(payload) {
      for (const key of keysIn(payload)) {
        pass('heard', key);
        mark(followed.get(key));
      }
    },
    sweep,
    close() {
      closed = true;
      clearInterval(timer);
    },
  };
}

/** A notice has one line for each stream that has grown, with its conversation behind it. */
function keysIn(payload: string): string[] {
  return payload.split('\n').flatMap((line) => {
    const [stream = '', conversation] = line.split(' ');
    return conversation ? [stream, keyOf({ kind: 'conversation', id: conversation })] : [stream];
  });
}

async function behind(db: Db, tenantId: string, growths: Growth[]): Promise<Growth[]> {
  const heads = await headsOf(
    db,
    tenantId,
    growths.map((growth) => growth.topic),
  );
  return growths.filter((growth) => (heads.get(keyOf(growth.topic))?.seq ?? 0) > growth.position);
}

function toFollowed(growth: Growth, pages: Pages, floor: number, leave: () => void): Followed {
  return {
    position: () => growth.position,
    async after(number, maxBytes, shown) {
      const known = { position: growth.position, floor };
      const frames = growth.recent(number) ?? (await pages.around(growth.topic, number, known));
      return cutFrames(shown(frames), number, maxBytes);
    },
    leave,
  };
}
