// Keeps one process alive: starts it again when it dies, at once, and slower only when it dies young over and over.
import type { Logger } from 'pino';
import type { ProcessView } from '../../../workflows/contracts/system.ts';

export interface RunningPart {
  pid: number;
  address: string | null;
  /** Resolves when the process is gone. */
  exited: Promise<void>;
  /** Resolves when it can work; never settles when it dies before. */
  ready: Promise<void>;
  stop(): Promise<void>;
  /** Ends it now, whatever it is doing. */
  kill(): Promise<void>;
}

export interface KeepInput {
  name: ProcessView['name'];
  first: RunningPart;
  start(): Promise<RunningPart>;
  /** Called at each death, while the successor starts; must not throw, as `onChange` must not. */
  onDeath?(): void;
  onChange(): void;
  logger: Logger;
}

export interface KeptProcess {
  view(): ProcessView;
  /** Resolves when it can work for the first time, which may be after deaths; its view says so by then. */
  ready: Promise<void>;
  stop(): Promise<void>;
  kill(): Promise<void>;
}

// A process that worked for longer than this was sound; what killed it may not come again.
const youngMs = 1_000;
const firstPauseMs = 100;
// Long enough to leave the machine alone, short enough that a repaired cause is noticed soon.
const longestPauseMs = 5_000;

export function keepRunning(input: KeepInput): KeptProcess {
  const { name, logger } = input;
  const stopping = new AbortController();
  let part: RunningPart | undefined = input.first;
  let startedAt = Date.now();
  let health: ProcessView['health'] = 'starting';
  let restarts = 0;
  let earlyDeaths = 0;
  const firstReady = Promise.withResolvers<void>();

  function watchReadiness(watched: RunningPart): void {
    void watched.ready.then(() => {
      if (part !== watched) return;
      health = 'up';
      input.onChange();
      firstReady.resolve();
    });
  }

  /** The first early death may be an outside kill; from the second on it looks like a cause that stays. */
  async function pause(): Promise<void> {
    const early = health !== 'up' || Date.now() - startedAt < youngMs;
    earlyDeaths = early ? earlyDeaths + 1 : 0;
    if (earlyDeaths < 2) return;
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** (earlyDeaths - 2));
    // Stopping cuts the pause short, and the loop looks at it next.
    await new Promise<void>((resolve) => {
      const timer = setTimeout(over, pauseMs);
      stopping.signal.addEventListener('abort', over);
      function over(): void {
        clearTimeout(timer);
        stopping.signal.removeEventListener('abort', over);
        resolve();
      }
    });
  }

  async function startAgain(): Promise<void> {
    startedAt = Date.now();
    try {
      part = await input.start();
      health = 'starting';
      watchReadiness(part);
    } catch (error) {
      logger.error({ err: error, process: name }, 'a process could not be started again');
    }
  }

  async function keep(): Promise<void> {
    while (!stopping.signal.aborted) {
      if (part !== undefined) {
        await part.exited;
        if (stopping.signal.aborted) return;
        logger.warn({ process: name, pid: part.pid }, 'a process died and is started again');
        part = undefined;
        restarts += 1;
        input.onDeath?.();
      }
      const paused = pause();
      health = 'down';
      input.onChange();
      await paused;
      if (stopping.signal.aborted) return;
      await startAgain();
      input.onChange();
    }
  }

  watchReadiness(input.first);
  const keeping = keep();

  async function end(how: 'stop' | 'kill'): Promise<void> {
    stopping.abort();
    const known = part;
    await known?.[how]();
    // What was just being started when the stop came is known only when the loop has ended.
    await keeping;
    if (part !== known) await part?.[how]();
    part = undefined;
    health = 'down';
    input.onChange();
  }

  return {
    view: () => ({ name, pid: part?.pid ?? null, address: part?.address ?? null, health, restarts }),
    ready: firstReady.promise,
    stop: () => end('stop'),
    kill: () => end('kill'),
  };
}
