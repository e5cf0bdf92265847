// Keeps one worker in reserve: started, connected, with everything loaded, and doing nothing. When the worker dies
// the reserve takes its place in milliseconds, where a new process would need a second or more of the machine.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { RunningPart } from './keep-running.ts';
import type { RolePart } from './role-process.ts';

export interface Standby {
  /** Makes a reserve unless there is one; returns at once. */
  prepare(): void;
  /** The reserve as the worker, or undefined when none is ready. */
  take(): RunningPart | undefined;
  stop(): Promise<void>;
}

// A reserve that dies does so with Postgres or Temporal; they are back within seconds.
const pauseMs = 2_000;

export function createStandby(input: { start(): Promise<RolePart>; logger: Logger }): Standby {
  const stopping = new AbortController();
  let part: RolePart | undefined;
  let isReady = false;
  let preparing: Promise<void> | undefined;

  async function make(): Promise<void> {
    while (!stopping.signal.aborted && part === undefined) {
      try {
        const made = await input.start();
        part = made;
        void made.ready.then(() => {
          isReady = part === made;
        });
        void made.exited.then(() => {
          // A taken one is no reserve any more; a dead one is replaced.
          if (part !== made) return;
          part = undefined;
          isReady = false;
          input.logger.warn({ pid: made.pid }, 'the standby worker died');
          void sleep(pauseMs, undefined, { signal: stopping.signal }).then(prepare, () => undefined);
        });
      } catch (error) {
        input.logger.warn({ err: error }, 'no standby worker could be started');
        await sleep(pauseMs, undefined, { signal: stopping.signal }).catch(() => undefined);
      }
    }
  }

  function prepare(): void {
    preparing ??= make().finally(() => {
      preparing = undefined;
    });
  }

  return {
    prepare,
    take() {
      if (part === undefined || !isReady) return undefined;
      const taken = part;
      part = undefined;
      isReady = false;
      try {
        return taken.promote();
      } catch (error) {
        // It died in this moment.
        input.logger.warn({ err: error }, 'the standby worker could not be made the worker');
        return undefined;
      }
    },
    async stop() {
      stopping.abort();
      await preparing;
      const last = part;
      part = undefined;
      await last?.stop();
    },
  };
}
