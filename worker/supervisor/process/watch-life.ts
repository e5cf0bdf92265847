// Notices a child that stands still without being dead. It counts looks, not time: after a sleep of the machine, or a
// stop of the supervisor itself, no look was missed, and no child is taken for dead.
import { closeSync, openSync, rmSync, statSync } from 'node:fs';
import type { Chores } from '../../chores.ts';

export interface LifeWatch {
  /** The file that the child's signs change. */
  file: string;
  everyMs: number;
  /** So many looks in a row without a sign, and it is told once. */
  mostLooks: number;
  onStandstill(): void;
  chores: Chores;
}

/** Until the function returned is called. */
export function watchLife({ file, everyMs, mostLooks, onStandstill, chores }: LifeWatch): () => void {
  let last: number | undefined;
  let looks = 0;
  const stop = chores.every('looking for signs of life', everyMs, () => {
    const sign = signOf(file);
    // A file that was removed, or that cannot be looked at, says nothing of its process.
    if (sign === 'unreadable' || (sign === undefined && last !== undefined)) return;
    // Nor does one that was never there, where none can be made: on a full disk, or one that is only read.
    if (sign === undefined && !takesFiles(file)) return;
    looks = sign === last ? looks + 1 : 0;
    last = sign;
    if (looks < mostLooks) return;
    stop();
    onStandstill();
  });
  return stop;
}

function takesFiles(file: string): boolean {
  const probe = `${file}.probe`;
  try {
    closeSync(openSync(probe, 'w', 0o600));
    rmSync(probe);
    return true;
  } catch {
    return false;
  }
}

function signOf(file: string): number | undefined | 'unreadable' {
  try {
    return statSync(file, { throwIfNoEntry: false })?.mtimeMs;
  } catch {
    return 'unreadable';
  }
}
