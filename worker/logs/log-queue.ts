// Where log lines wait for a slow disk, a full one or a stopped reader: bounded, so that logging never eats the memory or
// the time of the work it tells about. Errors are written before the call returns. Nothing here throws.
import { write, writeSync } from 'node:fs';
import type { LogTarget } from './log-file.ts';

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
// A disk that took nothing is asked again so soon that little more is lost when there is room.
const retryMs = 1_000;

/** The lines that wait, within the bound. */
function createBuffer() {
  let waiting: string[] = [];
  // What is left of a batch that was written in part, or not at all.
  let rest: Buffer | undefined;
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

  function keeps(): boolean {
    if (waiting.length < sampledFrom) return true;
    seen += 1;
    return waiting.length < bound && seen % keptOneIn === 0;
  }

  return {
    /** How many lines wait now; 0 when it was dropped. `anyway`: over the bound too. */
    add(line: string, anyway: boolean): number {
      if (anyway || keeps()) return waiting.push(line);
      dropped += 1;
      return 0;
    },
    /** The rest of the last batch where there is one, else `size` lines; without `size`, all of both. */
    take(size = Number.POSITIVE_INFINITY): Buffer | undefined {
      const count = rest !== undefined && Number.isFinite(size) ? 0 : size;
      const lines = waiting.slice(0, count);
      waiting = waiting.slice(count);
      if (waiting.length === 0 && dropped > 0) lines.push(notice());
      const bytes = lines.length === 0 ? undefined : Buffer.from(lines.join(''), 'utf8');
      const left = rest;
      rest = undefined;
      return left === undefined || bytes === undefined ? (left ?? bytes) : Buffer.concat([left, bytes]);
    },
    putBack(bytes: Buffer): void {
      rest = rest === undefined ? bytes : Buffer.concat([bytes, rest]);
    },
  };
}

export function createLogQueue(target: LogTarget): LogQueue {
  const buffer = createBuffer();
  let writing = false;
  let retry: NodeJS.Timeout | undefined;
  let fd = -1;

  /** Not replaced in the middle of a write. */
  function open(): number {
    if (!writing) fd = target();
    return fd;
  }

  function keep(bytes: Buffer, error: unknown): void {
    // A reader that is gone does not come back; a disk does.
    if ((error as NodeJS.ErrnoException | null)?.code === 'EPIPE') return;
    buffer.putBack(bytes);
    retry ??= setTimeout(() => {
      retry = undefined;
      drain();
    }, retryMs).unref();
  }

  function drain(): void {
    if (writing || retry !== undefined) return;
    const batch = buffer.take(batchSize);
    if (batch === undefined) return;
    try {
      open();
    } catch (error) {
      keep(batch, error);
      return;
    }
    writing = true;
    // A write under way is finished by the process's exit too, so that a flush need not know of it.
    write(fd, batch, (error, bytes) => {
      writing = false;
      const written = error === null ? bytes : 0;
      // Only a part of it fits on a disk that is nearly full.
      if (written < batch.length) keep(batch.subarray(written), error);
      drain();
    });
  }

  function flush(): void {
    const batch = buffer.take();
    if (batch === undefined) return;
    try {
      const { left, error } = writeWhole(open(), batch);
      if (left.length > 0) keep(left, error);
    } catch (error) {
      keep(batch, error);
    }
  }

  const queue: LogQueue = {
    lastLevel: 0,
    write(line) {
      // While nothing can be written an error waits like the rest of them, and within the same bound.
      const atOnce = queue.lastLevel >= errorLevel && retry === undefined;
      const waiting = buffer.add(line, atOnce);
      if (atOnce) flush();
      // After this turn, so that what belongs together is written together.
      else if (waiting === 1) setImmediate(drain);
    },
    flush,
  };
  return queue;
}

/** Writes what can be written now. A pipe that is full makes this wait. */
function writeWhole(fd: number, bytes: Buffer): { left: Buffer; error?: unknown } {
  let offset = 0;
  // A reader that takes nothing for a second is not coming back in time.
  const deadline = Date.now() + 1_000;
  while (offset < bytes.length && Date.now() < deadline) {
    try {
      offset += writeSync(fd, bytes, offset);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return { left: bytes.subarray(offset), error };
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
  return { left: bytes.subarray(offset) };
}
