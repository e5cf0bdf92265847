// Notices a child that stands still without being dead. It counts looks, not time: after a sleep of the machine, or a
// stop of the supervisor itself, no look was missed, and no child is taken for dead.
import { statSync } from 'node:fs';

export interface LifeWatch {
  /** The file that the child's signs change. */
  file: string;
  everyMs: number;
  /** So many looks in a row without a sign, and it is told once. */
  mostLooks: number;
  onStandstill(): void;
}

/** Until the function returned is called. */
export function watchLife({ file, everyMs, mostLooks, onStandstill }: LifeWatch): () => void {
  let last: number | undefined;
  let looks = 0;
  const looking = setInterval(() => {
    const sign = signOf(file);
    // A file that somebody removed, or that cannot be looked at, says nothing of its process.
    if (sign === 'unreadable' || (sign === undefined && last !== undefined)) return;
    looks = sign === last ? looks + 1 : 0;
    last = sign;
    if (looks < mostLooks) return;
    clearInterval(looking);
    onStandstill();
  }, everyMs);
  return () => clearInterval(looking);
}

function signOf(file: string): number | undefined | 'unreadable' {
  try {
    return statSync(file, { throwIfNoEntry: false })?.mtimeMs;
  } catch {
    return 'unreadable';
  }
}
