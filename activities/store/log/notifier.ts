// Tells listening processes which streams have grown. Collected and sent every few milliseconds on a connection
// outside any writer's transaction; a lost notice costs a reader one second, never an event.
import type { Pool } from 'pg';
import { pass } from './trace.ts';

export const eventsChannel = 'perdure_events';
/** In the place of a stream: something waits for the stream of a tenant. */
export const outboxNotice = 'outbox';
export const stopsChannel = 'perdure_stops';
export const tokensChannel = 'perdure_tokens';

export interface Notifier {
  touch(stream: string, conversationId: string | null): void;
  /** Sends what is collected and stops. */
  close(): Promise<void>;
}

// Well under a model's pace of tokens, and at most a hundred notices a second whatever the write rate.
const flushMs = 10;
// Postgres refuses payloads of 8,000 bytes; a stream with its conversation takes about 80.
const perNotice = 80;

export function createNotifier(pool: Pool, onError: (error: Error) => void): Notifier {
  const touched = new Map<string, string | null>();
  let timer: NodeJS.Timeout | NodeJS.Immediate | undefined;
  let sentAt = Number.NEGATIVE_INFINITY;
  let sending: Promise<void> = Promise.resolve();

  async function send(lines: string[]): Promise<void> {
    try {
      for (let from = 0; from < lines.length; from += perNotice) {
        const payload = lines.slice(from, from + perNotice).join('\n');
        await pool.query({
          name: 'notify',
          text: 'select pg_notify($1, $2)',
          values: [eventsChannel, payload],
        });
      }
    } catch (error) {
      onError(error as Error);
    }
  }

  function flush(): void {
    timer = undefined;
    sentAt = performance.now();
    for (const stream of touched.keys()) pass('noticed', stream);
    const lines = [...touched].map(([stream, conversation]) => `${stream} ${conversation ?? ''}`.trim());
    touched.clear();
    sending = sending.then(() => send(lines));
  }

  return {
    touch(stream, conversationId) {
      touched.set(stream, conversationId);
      // After a quiet moment a notice goes at once.
      if (timer) return;
      const waitMs = sentAt + flushMs - performance.now();
      // setTimeout waits a millisecond at least; setImmediate only for what else grows in this turn.
      timer = waitMs > 0 ? setTimeout(flush, waitMs) : setImmediate(flush);
    },
    async close() {
      if (timer) {
        clearTimeout(timer as NodeJS.Timeout);
        clearImmediate(timer as NodeJS.Immediate);
        flush();
      }
      await sending;
    },
  };
}
