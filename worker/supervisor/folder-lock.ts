// One supervisor for a data folder. The lock names its holder by pid and start time, so that neither a crash nor a
// reused pid keeps the next one out.
import { existsSync, linkSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ProcessIdentity } from '../process-table.ts';
import { isRunning, runningProcess } from '../process-table.ts';

export interface FolderLock {
  /** Makes it again where somebody removed it, so that no second supervisor comes in. */
  keep(): void;
  release(): void;
}

function holderOf(text: string): ProcessIdentity | undefined {
  try {
    const { pid, started } = JSON.parse(text) as Partial<ProcessIdentity>;
    return typeof pid === 'number' && typeof started === 'string' ? { pid, started } : undefined;
  } catch {
    // It is written whole by a link, so what is not readable was not written by us, and nobody holds it.
    return undefined;
  }
}

function readOrUndefined(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function linkUnlessThere(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Moves a dead holder's lock away, and puts it back when it turns out to be somebody's fresh one. */
function removeStale(lock: string, text: string): void {
  const aside = `${lock}.${process.pid}.stale`;
  try {
    renameSync(lock, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  if (readFileSync(aside, 'utf8') !== text) linkUnlessThere(aside, lock);
  unlinkSync(aside);
}

/** Throws one sentence that names the holder when the folder is taken. */
export function lockFolder(folder: string): FolderLock {
  const lock = path.join(folder, 'supervisor.lock');
  const mine = `${lock}.${process.pid}`;
  const identity = runningProcess(process.pid);
  const text = JSON.stringify({
    pid: process.pid,
    started: identity?.started,
    since: new Date().toISOString(),
  });
  const putDown = (): void => writeFileSync(mine, text, { mode: 0o600 });
  try {
    putDown();
    // A file appears under its name with its content in one step; whoever links first has the folder.
    while (!linkUnlessThere(mine, lock)) {
      const theirs = readOrUndefined(lock);
      if (theirs === undefined) continue;
      const holder = holderOf(theirs);
      if (holder !== undefined && isRunning(holder)) {
        throw new Error(
          `${folder} is held by the Perdure with pid ${holder.pid}: stop that one, or set PERDURE_DATA to another folder.`,
        );
      }
      removeStale(lock, theirs);
    }
  } finally {
    rmSync(mine, { force: true });
  }
  return {
    keep() {
      if (existsSync(lock)) return;
      try {
        putDown();
        linkUnlessThere(mine, lock);
      } finally {
        rmSync(mine, { force: true });
      }
    },
    release() {
      if (readOrUndefined(lock) === text) unlinkSync(lock);
    },
  };
}
