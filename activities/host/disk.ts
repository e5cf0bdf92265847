// How much room the disks below our folders have. A disk that is full is called so before Postgres, Temporal and the
// content store each say it in words of their own.
import { statfsSync } from 'node:fs';
import type { DiskView } from '../../workflows/contracts/system.ts';

export interface Disk {
  /** Of those folders, the one with the least room; undefined where the system tells of none. */
  look(): DiskView | undefined;
  /** Why there is no room for new work, and what to do, in a sentence or two; undefined where there is. */
  problem(): string | undefined;
}

// Files need an entry each; below so many a disk counts as full, however many bytes it has.
const fewestEntries = 1_000;

/** `folders`: those that may lie on disks of their own; those that are not there yet are passed over. */
export function createDisk(folders: readonly string[], minFreeBytes: number): Disk {
  const look = (): DiskView | undefined => {
    const views = folders.flatMap((folder) => viewOf(folder, minFreeBytes) ?? []);
    // One without entries first, then by bytes.
    const roomOf = (view: DiskView): number => (view.entriesLeft ? view.freeBytes : -1);
    return views.sort((one, other) => roomOf(one) - roomOf(other))[0];
  };
  return {
    look,
    problem() {
      const view = look();
      return view && diskProblem(view);
    },
  };
}

function viewOf(folder: string, minFreeBytes: number): DiskView | undefined {
  try {
    // One call to the kernel, microseconds. What only root may use is no room: the database is another user.
    const { bavail, bsize, files, ffree } = statfsSync(folder);
    // Some file systems count no entries.
    const entriesLeft = files === 0 || ffree >= fewestEntries;
    return { folder, freeBytes: bavail * bsize, minFreeBytes, entriesLeft };
  } catch {
    // Not made yet, or the disk says nothing; a write there fails with the reason.
    return undefined;
  }
}

function diskProblem({ folder, freeBytes, minFreeBytes, entriesLeft }: DiskView): string | undefined {
  const next = 'Make room there; what runs goes on by itself.';
  if (!entriesLeft) return `The disk of ${folder} has no room for more files. ${next}`;
  if (freeBytes >= minFreeBytes) return undefined;
  // Postgres takes 16 MiB at a time: with less it stops.
  const state = freeBytes < 16 * 1_048_576 ? 'full' : 'nearly full';
  return `The disk of ${folder} is ${state}: ${inMegabytes(freeBytes)} are free, and new work needs ${inMegabytes(minFreeBytes)}. ${next}`;
}

function inMegabytes(bytes: number): string {
  // 1 MB is a million bytes, as disks are sold and as df -H shows them.
  return `${Math.floor(bytes / 1e6).toLocaleString('en')} MB`;
}
