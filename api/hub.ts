// The one place of this process that knows which streams have grown: notices wake it, one query reads what is new
// in all of them, and every reader of a stream is handed the same bytes. A lost notice costs a second, no event.
import type { Logger } from 'pino';
import type { Db } from '../activities/store/database.ts';
import { eventsChannel } from '../activities/store/notifier.ts';
import {
  conversationPositions,
  readConversationTails,
  readStreamTails,
  streamPositions,
} from '../activities/store/tails.ts';
import type { Event } from '../workflows/contracts/event.ts';
import { cutFrames, type Frames, toFrames } from './frames.ts';
import { createListener } from './listener.ts';
import { createPages } from './pages.ts';
import { keyOf, numberIn, type Topic } from './topics.ts';

export interface Reader {
  /** The stream has grown by these. Called once for each growth, in order; must not throw. */
  grown(frames: Frames): void;
}

export interface Followed {
  /** How far the stream has come, as far as this process knows. */
  position(): number;
  /** The events after a number below that position, at most `maxBytes` of them. */
  after(number: number, maxBytes: number): Promise<Frames>;
  leave(): void;
}

export interface Hub {
  /** `position`: how far the caller has seen the stream to have come. */
  follow(topic: Topic, position: number, reader: Reader): Followed;
  close(): Promise<void>;
}

interface Growing {
  topic: Topic;
  position: number;
  readers: Set<Reader>;
  /** The last growths, for readers that were busy for a moment. */
  recent: Frames[];
  recentBytes: number;
}

// A second is what a lost notice may cost.
const sweepMs = 1_000;
// Of one stream in one query; a stream that has more is read again at once.
const tailEvents = 500;
// A few seconds of a model's output: readers that pause for a moment need no query.
const recentBytes = 256 * 1024;

export function createHub(input: { db: Db; databaseUrl: string; tenantId: string; logger: Logger }): Hub {
  const { db, tenantId, logger } = input;
  const growing = new Map<string, Growing>();
  const pages = createPages(db, tenantId);
  let grown = new Set<Growing>();
  let reading = false;
  let sweeping = false;
  let closed = false;

  function mark(found: Growing | undefined): void {
    if (!found || closed) return;
    grown.add(found);
    if (!reading) void read();
  }

  /** Reads what is new, one query at a time: notices that come meanwhile are answered by the next one. */
  async function read(): Promise<void> {
    reading = true;
    try {
      while (grown.size > 0 && !closed) {
        const batch = [...grown];
        grown = new Set();
        const events = await readTails(batch);
        for (const one of batch) hand(one, events.get(keyOf(one.topic)) ?? []);
      }
    } catch (error) {
      logger.warn({ err: error }, 'cannot read new events; the next sweep tries again');
    } finally {
      reading = false;
    }
  }

  async function readTails(batch: Growing[]): Promise<Map<string, Event[]>> {
    const tails = (kind: Topic['kind']) => batch.filter((one) => one.topic.kind === kind);
    const [runs, conversations] = await Promise.all([
      readStreamTails(
        db,
        tenantId,
        tails('run').map((one) => ({ id: keyOf(one.topic), after: one.position })),
        tailEvents,
      ),
      readConversationTails(
        db,
        tenantId,
        tails('conversation').map((one) => ({ id: one.topic.id, after: one.position })),
        tailEvents,
      ),
    ]);
    for (const [id, events] of conversations) runs.set(keyOf({ kind: 'conversation', id }), events);
    return runs;
  }

  function hand(one: Growing, events: Event[]): void {
    if (events.length === 0) return;
    const frames = toFrames(one.position, events, numberIn(one.topic));
    one.position = frames.to;
    remember(one, frames);
    for (const reader of one.readers) reader.grown(frames);
    if (events.length === tailEvents) grown.add(one);
  }

  async function sweep(): Promise<void> {
    if (sweeping || growing.size === 0) return;
    sweeping = true;
    try {
      const topics = [...growing.values()].map((one) => one.topic);
      const ids = (kind: Topic['kind']) => topics.filter((topic) => topic.kind === kind);
      const [streams, conversations] = await Promise.all([
        streamPositions(db, tenantId, ids('run').map(keyOf)),
        conversationPositions(
          db,
          tenantId,
          ids('conversation').map((topic) => topic.id),
        ),
      ]);
      for (const one of growing.values()) {
        const seen =
          one.topic.kind === 'run' ? streams.get(keyOf(one.topic)) : conversations.get(one.topic.id);
        if (seen !== undefined && seen > one.position) mark(one);
      }
    } catch (error) {
      logger.warn({ err: error }, 'cannot look for new events; trying again in a second');
    } finally {
      sweeping = false;
    }
  }

  const listener = createListener({
    databaseUrl: input.databaseUrl,
    channel: eventsChannel,
    logger,
    onConnect: () => void sweep(),
    onNotice(payload) {
      for (const line of payload.split('\n')) {
        const [stream, conversation] = line.split(' ');
        mark(growing.get(stream ?? ''));
        if (conversation) mark(growing.get(keyOf({ kind: 'conversation', id: conversation })));
      }
    },
  });
  const timer = setInterval(() => void sweep(), sweepMs);

  return {
    follow(topic, position, reader) {
      const key = keyOf(topic);
      const one = growing.get(key) ?? { topic, position, readers: new Set(), recent: [], recentBytes: 0 };
      growing.set(key, one);
      one.readers.add(reader);
      // Something may have come between the caller's look and now.
      mark(one);
      return {
        position: () => one.position,
        async after(number, maxBytes) {
          const near = one.recent.find((frames) => frames.from <= number && number < frames.to);
          const frames = near ?? (await pages.around(topic, number, one.position));
          return cutFrames(frames, number, maxBytes);
        },
        leave() {
          one.readers.delete(reader);
          if (one.readers.size === 0 && growing.get(key) === one) growing.delete(key);
        },
      };
    },
    async close() {
      closed = true;
      clearInterval(timer);
      await listener.close();
    },
  };
}

function remember(one: Growing, frames: Frames): void {
  one.recent.push(frames);
  one.recentBytes += frames.bytes.length;
  while (one.recentBytes > recentBytes) {
    const oldest = one.recent.shift();
    if (!oldest) break;
    one.recentBytes -= oldest.bytes.length;
  }
}
