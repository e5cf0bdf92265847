// Where a process's log is: a file that may be taken away under it, folder and all, and is made again then.
import { fstatSync, mkdirSync, openSync, statSync } from 'node:fs';
import path from 'node:path';

/** The descriptor to write to now. Throws when there is none. */
export type LogTarget = () => number;

// One call to the kernel; what is written within a second of a removal is lost with what was removed.
const lookEveryMs = 1_000;

/** Standard output; when it is the file of that name, the file is followed. */
export function standardOutput(file: string): LogTarget {
  return isSame(1, file) ? followFile(file, 1) : () => 1;
}

/** `opened`: a descriptor that is open already. A replaced one stays open: a write may be under way. */
export function followFile(file: string, opened?: number): LogTarget {
  let current = opened;
  let lookedAt = Number.NEGATIVE_INFINITY;
  return () => {
    const now = performance.now();
    if (current !== undefined && now - lookedAt < lookEveryMs) return current;
    lookedAt = now;
    if (current !== undefined && isSame(current, file)) return current;
    try {
      mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
      current = openSync(file, 'a', 0o600);
    } catch (error) {
      // A removed file still takes lines, and may be put back.
      if (current === undefined) throw error;
    }
    return current;
  };
}

function isSame(fd: number, file: string): boolean {
  try {
    const [open, named] = [fstatSync(fd), statSync(file)];
    return open.ino === named.ino && open.dev === named.dev;
  } catch {
    return false;
  }
}
