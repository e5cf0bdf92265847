// The time a call may take. What it waits for the store, as with a full disk, or for a place to start a command in, is not
// its own time and is not counted.
import type { ExecOptions, Sandbox } from '../sandbox/sandbox.ts';

export interface TimeLimit {
  /** Aborted when the time is over. */
  signal: AbortSignal;
  /** Does it while the clock stands still. */
  uncounted<T>(act: () => Promise<T>): Promise<T>;
  clear(): void;
}

export function createTimeLimit(milliseconds: number): TimeLimit {
  const over = new AbortController();
  let left = milliseconds;
  let since = 0;
  let waits = 0;
  let isCleared = false;
  let timer: NodeJS.Timeout | undefined;

  function go(): void {
    if (isCleared) return;
    since = performance.now();
    timer = setTimeout(() => over.abort(), Math.max(0, left));
  }

  function stand(): void {
    clearTimeout(timer);
    left -= performance.now() - since;
  }

  go();
  return {
    signal: over.signal,
    async uncounted(act) {
      if (waits === 0) stand();
      waits += 1;
      try {
        return await act();
      } finally {
        waits -= 1;
        if (waits === 0) go();
      }
    },
    clear() {
      isCleared = true;
      clearTimeout(timer);
    },
  };
}

/** The clock stands still while a command is waiting to start. */
export function startingUncounted<Given extends Pick<Sandbox, 'exec'>>(
  sandbox: Given,
  limit: Pick<TimeLimit, 'uncounted'>,
): Given {
  return {
    ...sandbox,
    async exec(options: ExecOptions) {
      const { promise: started, resolve } = Promise.withResolvers<void>();
      void limit.uncounted(() => started);
      try {
        return await sandbox.exec({
          ...options,
          async onStart(handle) {
            await options.onStart(handle);
            resolve();
          },
        });
      } finally {
        resolve();
      }
    },
  };
}
