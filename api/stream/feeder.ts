// Fills the stream of the tenant once what it tells of is committed: a notice wakes it, and the sweeper where that was
// lost. Any number of processes may do so at once.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { EventLog } from '../../activities/store/log/events.ts';
import { outboxNotice } from '../../activities/store/log/notifier.ts';

export interface Feeder {
  /** A notice that streams have grown. */
  hear(payload: string): void;
  /** Looks for itself: notices may have been lost. */
  feed(): void;
  /** Resolves when nothing is under way. */
  close(): Promise<void>;
}

/** Moves all that waits. */
export async function feedAll({ feed }: EventLog, tenantId: string): Promise<void> {
  while ((await feed(tenantId, mostTogether)) === mostTogether);
}

// A few milliseconds of Postgres, in which the head of the stream is locked.
const mostTogether = 500;
// Those who watch the whole tenant can wait this long, and what many runs tell meanwhile is one commit.
const gatherMs = 100;

export function createFeeder({
  log,
  tenantId,
  logger,
}: {
  log: EventLog;
  tenantId: string;
  logger: Logger;
}): Feeder {
  let feeding: Promise<void> | undefined;
  let again = false;
  const ending = new AbortController();

  /** One pass at a time: what comes meanwhile is looked for by the next one. */
  async function pass(): Promise<void> {
    try {
      while (again && !ending.signal.aborted) {
        await sleep(gatherMs, undefined, { signal: ending.signal, ref: false });
        again = false;
        await feedAll(log, tenantId);
      }
    } catch (error) {
      if (!ending.signal.aborted)
        logger.warn({ err: error }, 'cannot fill the stream of the tenant; the sweeper tries again');
    } finally {
      feeding = undefined;
    }
  }

  function feed(): void {
    again = true;
    if (!ending.signal.aborted) feeding ??= pass();
  }

  return {
    hear(payload) {
      if (payload.split('\n').includes(outboxNotice)) feed();
    },
    feed,
    async close() {
      ending.abort();
      await feeding;
    },
  };
}
