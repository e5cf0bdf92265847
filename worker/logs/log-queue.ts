// Where log lines wait for a slow disk or a stopped reader: bounded, so that logging never eats the memory or the
// time of the work it tells about. Errors are written before the call returns.
import { write, writeSync } from 'node:fs';

export interface LogQueue {
  /** What pino calls with each line, right after it has set `lastLevel`. */
  write(line: string): void;
  lastLevel: number;
  /** Writes everything that waits before it returns: for the end of the process. */
  flush(): void;
}

// A record is about 300 bytes, so a full queue holds 3 MB.
const bound = 10_000;
// From here on one in ten is kept, so that a burst still shows what it was about.
const sampledFrom = bound * 0.8;
const keptOneIn = 10;
// pino's number of the level error.
const errorLevel = 50;
// Large enough to keep up with a burst, small enough to come back to other work.
const batchSize = 500;

export function createLogQueue(fd: number): LogQueue {
  let waiting: string[] = [];
  let writing = false;
  let dropped = 0;
  let seen = 0;

  function notice(): string {
    const line = {
      time: new Date().toISOString(),
      level: 'warn',
      service: 'log',
      msg: 'log records were dropped',
      dropped,
    };
    dropped = 0;
    return `${JSON.stringify(line)}\n`;
  }

  function nextBatch(size: number): Buffer | undefined {
    const lines = waiting.slice(0, size);
    waiting = waiting.slice(size);
    if (waiting.length === 0 && dropped > 0) lines.push(notice());
    return lines.length === 0 ? undefined : Buffer.from(lines.join(''), 'utf8');
  }

  function drain(): void {
    const batch = writing ? undefined : nextBatch(batchSize);
    if (batch === undefined) return;
    writing = true;
    // A write under way is finished by the process's exit too, so that a flush need not know of it.
    write(fd, batch, (error, written) => {
      writing = false;
      // Whoever read the log is gone, or the disk is full: the work goes on without its log.
      if (error !== null) return;
      if (written < batch.length) writeWhole(fd, batch.subarray(written));
      drain();
    });
  }

  function flush(): void {
    const rest = nextBatch(Number.MAX_SAFE_INTEGER);
    if (rest !== undefined) writeWhole(fd, rest);
  }

  function keeps(): boolean {
    if (waiting.length < sampledFrom) return true;
    seen += 1;
    return waiting.length < bound && seen % keptOneIn === 0;
  }

  const queue: LogQueue = {
    lastLevel: 0,
    write(line) {
      if (queue.lastLevel >= errorLevel) {
        waiting.push(line);
        flush();
      } else if (keeps()) {
        waiting.push(line);
        // After this turn, so that what belongs together is written together.
        if (waiting.length === 1) setImmediate(drain);
      } else dropped += 1;
    },
    flush,
  };
  return queue;
}

/** Writes all of it now. A pipe that is full makes this wait; a reader that is gone makes it give up. */
function writeWhole(fd: number, bytes: Buffer): void {
  let offset = 0;
  // A reader that takes nothing for a second is not coming back in time.
  const deadline = Date.now() + 1_000;
  while (offset < bytes.length && Date.now() < deadline) {
    try {
      offset += writeSync(fd, bytes, offset);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EPIPE' || code === 'ENOSPC') return;
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}
