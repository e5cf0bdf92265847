// Housekeeping: timers, rotation, publication, signs of life. None of it is a reason for a process to end, so all of it
// goes through here: what fails is told once, tried again when it is due, and told when it works again.
import type { Logger } from 'pino';

export interface Chores {
  /** Does it now, or begins to. Never throws, and what it starts never rejects unheard. */
  run(name: string, act: () => unknown): void;
  /** Does it again and again until the function returned is called; never twice at once. Holds no process open. */
  every(name: string, everyMs: number, act: () => unknown): () => void;
}

export function createChores(logger: Logger): Chores {
  const failing = new Set<string>();

  function failed(name: string, error: unknown): void {
    if (failing.has(name)) return;
    failing.add(name);
    logger.warn({ err: error, chore: name }, 'housekeeping failed; it is tried again');
  }

  function worked(name: string): void {
    if (failing.delete(name)) logger.info({ chore: name }, 'housekeeping works again');
  }

  async function attempt(name: string, act: () => unknown): Promise<void> {
    try {
      // A synchronous act has been done when this returns.
      await act();
      worked(name);
    } catch (error) {
      failed(name, error);
    }
  }

  return {
    run: (name, act) => void attempt(name, act),
    every(name, everyMs, act) {
      let busy = false;
      const timer = setInterval(() => {
        if (busy) return;
        busy = true;
        void attempt(name, act).finally(() => {
          busy = false;
        });
      }, everyMs);
      timer.unref();
      return () => clearInterval(timer);
    },
  };
}
