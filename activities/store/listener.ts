// One LISTEN connection of a process: reconnects by itself and tells when it did, since whatever was sent
// meanwhile is lost and must be looked up.
import pg from 'pg';

export interface Listener {
  /** Calls back with each payload of the channel; returns how to stop. */
  on(channel: string, heard: (payload: string) => void): () => void;
  /** Calls back after each reconnection. */
  onReconnect(heard: () => void): () => void;
  /** Resolves once the first connection listens. */
  ready: Promise<void>;
  close(): Promise<void>;
}

// Short at first, so that a restarted server is found at once; bounded, so that a long outage costs nothing.
const firstRetryMs = 100;
const longestRetryMs = 2000;
// A peer that vanished without a word is noticed by an answer that does not come.
const probeEveryMs = 10_000;
const probeTimeoutMs = 5000;

export function createListener(input: {
  url: string;
  name: string;
  channels: readonly string[];
  onError: (error: Error) => void;
}): Listener {
  const heardOn = new Map<string, Set<(payload: string) => void>>();
  const reconnected = new Set<() => void>();
  let client: pg.Client | undefined;
  let closed = false;
  let retryMs = firstRetryMs;
  let wasConnected = false;
  let timer: NodeJS.Timeout | undefined;
  let markReady: () => void;
  const ready = new Promise<void>((resolve) => {
    markReady = resolve;
  });

  async function connect(): Promise<void> {
    const next = new pg.Client({
      connectionString: input.url,
      application_name: input.name,
      connectionTimeoutMillis: probeTimeoutMs,
      query_timeout: probeTimeoutMs,
      keepAlive: true,
    });
    client = next;
    next.on('notification', (notice) => {
      for (const heard of heardOn.get(notice.channel) ?? []) heard(notice.payload ?? '');
    });
    next.on('error', (error) => drop(next, error));
    next.on('end', () => drop(next, new Error('The listening connection ended.')));
    try {
      await next.connect();
      for (const channel of input.channels) await next.query(`listen ${pg.escapeIdentifier(channel)}`);
    } catch (error) {
      drop(next, error as Error);
      return;
    }
    if (client !== next) return;
    retryMs = firstRetryMs;
    if (wasConnected) for (const heard of reconnected) heard();
    wasConnected = true;
    markReady();
    timer = setTimeout(() => void probe(next), probeEveryMs);
  }

  async function probe(current: pg.Client): Promise<void> {
    try {
      await current.query('select 1');
      if (client === current && !closed) timer = setTimeout(() => void probe(current), probeEveryMs);
    } catch (error) {
      drop(current, error as Error);
    }
  }

  function drop(broken: pg.Client, error: Error): void {
    if (client !== broken) return;
    client = undefined;
    clearTimeout(timer);
    // Ending a connection that is broken already may fail; there is nothing left to end then.
    broken.end().catch(() => undefined);
    if (closed) return;
    input.onError(error);
    timer = setTimeout(() => void connect(), retryMs);
    retryMs = Math.min(retryMs * 2, longestRetryMs);
  }

  void connect();
  return {
    ready,
    on(channel, heard) {
      const listeners = heardOn.get(channel) ?? new Set();
      heardOn.set(channel, listeners.add(heard));
      return () => listeners.delete(heard);
    },
    onReconnect(heard) {
      reconnected.add(heard);
      return () => reconnected.delete(heard);
    },
    async close() {
      closed = true;
      clearTimeout(timer);
      const last = client;
      client = undefined;
      await last?.end().catch(() => undefined);
    },
  };
}
