// A connection that listens for notices of Postgres. It comes back by itself; what was sent while it was away is
// lost, so its user looks for itself after each connect.
import pg from 'pg';
import type { Logger } from 'pino';

export interface Listener {
  close(): Promise<void>;
}

// First wait before another try and the longest one: Postgres under supervision is back in about a second.
const firstWaitMs = 50;
const longestWaitMs = 2_000;
// A frozen server accepts connections and says nothing.
const connectMs = 5_000;
// A peer that vanished without a word is noticed by an answer that does not come.
const probeEveryMs = 10_000;
// A frozen server does not close either; nothing is lost with a connection that only listens.
const endMs = 1_000;

export function createListener(input: {
  databaseUrl: string;
  /** By channel, what is called with the text of a notice. */
  channels: Record<string, (payload: string) => void>;
  /** Shown in pg_stat_activity. */
  name: string;
  logger: Logger;
  onConnect: () => void;
}): Listener {
  const stop = new AbortController();
  let current: pg.Client | undefined;

  /** Resolves when the connection is gone. */
  async function listen(): Promise<void> {
    const client = new pg.Client({
      connectionString: input.databaseUrl,
      application_name: input.name,
      connectionTimeoutMillis: connectMs,
      query_timeout: connectMs,
      keepAlive: true,
    });
    const gone = new Promise<void>((resolve) => client.once('end', resolve));
    client.on('error', (error) => input.logger.warn({ err: error }, 'the listening connection broke'));
    client.on('notification', ({ channel, payload }) => input.channels[channel]?.(payload ?? ''));
    try {
      await client.connect();
      current = client;
      if (!stop.signal.aborted) {
        for (const channel of Object.keys(input.channels))
          await client.query(`listen ${pg.escapeIdentifier(channel)}`);
        waitMs = firstWaitMs;
        input.onConnect();
        const probing = setInterval(() => probe(client), probeEveryMs);
        await gone.finally(() => clearInterval(probing));
      }
    } finally {
      current = undefined;
      await endSoon(client, input.logger);
    }
  }

  /** Ends a connection whose other side no longer answers; the loop makes another. */
  function probe(client: pg.Client): void {
    client.query('select 1').catch((error: unknown) => {
      input.logger.warn({ err: error }, 'the listening connection says nothing');
      client.connection.stream.destroy();
    });
  }

  let waitMs = firstWaitMs;
  async function keepListening(): Promise<void> {
    while (!stop.signal.aborted) {
      await listen().catch((error: unknown) =>
        input.logger.warn({ err: error }, 'cannot listen to Postgres; trying again'),
      );
      if (!stop.signal.aborted) await pause(waitMs, stop.signal);
      waitMs = Math.min(waitMs * 2, longestWaitMs);
    }
  }

  const running = keepListening();
  return {
    async close() {
      stop.abort();
      if (current) await endSoon(current, input.logger);
      // A connection that is being made is given up with the process.
      await Promise.race([running, pause(endMs)]);
    },
  };
}

async function endSoon(client: pg.Client, logger: Logger): Promise<void> {
  const left = client.end().catch((error: unknown) => logger.debug({ err: error }, 'it was closed already'));
  await Promise.race([left, pause(endMs)]);
}

async function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    // It keeps no process from exiting.
    const timer = setTimeout(done, milliseconds).unref();
    signal?.addEventListener('abort', done, { once: true });
  });
}
