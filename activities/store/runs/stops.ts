// The side channel of interrupts: a NOTIFY reaches the running activity in milliseconds, where a cancellation by
// way of Temporal waits for a heartbeat. A look into Postgres every second covers a notice that was lost.
import type { Logger } from 'pino';
import { createListener } from '../log/listener.ts';
import { stopsChannel } from '../log/notifier.ts';

/** The reason of a signal aborted because the run was stopped. */
export class RunStopped extends Error {
  override name = 'RunStopped';
}

export interface Stops {
  /** A signal that aborts with RunStopped once the run is stopped; release it when the work is over. */
  watch(runId: string): { signal: AbortSignal; release(): void };
  close(): Promise<void>;
}

// A lost notice costs at most this; the query is one index look-up over the runs at work here.
const sweepMs = 1000;

export function createStops(input: {
  databaseUrl: string;
  stoppedAmong: (runIds: string[]) => Promise<string[]>;
  logger: Logger;
}): Stops {
  const watched = new Map<string, Set<AbortController>>();

  function stop(runId: string): void {
    for (const controller of watched.get(runId) ?? [])
      controller.abort(new RunStopped('Somebody stopped the run.'));
  }

  async function sweep(): Promise<void> {
    if (watched.size === 0) return;
    try {
      for (const runId of await input.stoppedAmong([...watched.keys()])) stop(runId);
    } catch (error) {
      input.logger.warn({ err: error }, 'could not look for stops');
    }
  }

  const listener = createListener({
    databaseUrl: input.databaseUrl,
    channels: { [stopsChannel]: stop },
    name: 'perdure-worker-listen',
    logger: input.logger,
    onConnect: () => void sweep(),
  });
  const timer = setInterval(() => void sweep(), sweepMs);

  return {
    watch(runId) {
      const controller = new AbortController();
      const controllers = watched.get(runId) ?? new Set();
      controllers.add(controller);
      watched.set(runId, controllers);
      return {
        signal: controller.signal,
        release() {
          controllers.delete(controller);
          if (controllers.size === 0) watched.delete(runId);
        },
      };
    },
    async close() {
      clearInterval(timer);
      await listener.close();
    },
  };
}
