// One supervisor for a data folder. The kernel keeps the lock, by the file and not by its name, so that a crash leaves
// nothing behind, and neither a link nor a mount nor a container lets a second one in. The file says who holds it.
import { ftruncateSync, readFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { thisHost } from '../../activities/host/process-table.ts';
import { isFile, type KernelLock, lockFile } from '../kernel-lock.ts';
import { isRunning, runningProcess } from '../process-table.ts';

export interface FolderLock {
  /** Locks it again where its file was removed, so that no second supervisor comes in. Throws when one already has. */
  keep(): void;
  release(): void;
}

interface Holder {
  pid: number;
  started: string;
  host?: string;
}

function holderOf(text: string): Holder | undefined {
  try {
    const { pid, started, host } = JSON.parse(text) as Partial<Holder>;
    if (typeof pid !== 'number' || typeof started !== 'string') return undefined;
    return { pid, started, ...(typeof host === 'string' && { host }) };
  } catch {
    // Empty after an orderly end, and for the moment in which a new holder has not yet written.
    return undefined;
  }
}

function refusal(folder: string, holder: Holder | undefined): Error {
  const elsewhere = holder?.host !== undefined && holder.host !== thisHost();
  const place = elsewhere ? ` in another container or machine (${holder.host?.split(' ')[0]})` : '';
  const known = holder === undefined ? 'another Perdure' : `the Perdure with pid ${holder.pid}${place}`;
  return new Error(`${folder} is held by ${known}: stop that one, or set PERDURE_DATA to another folder.`);
}

/** Throws one sentence that names the holder when the folder is taken. */
export function lockFolder(folder: string): FolderLock {
  const file = path.join(folder, 'supervisor.lock');
  const lock = lockFile(file);
  const holder = holderOf(readFileSync(file, 'utf8'));
  if (lock === undefined) throw refusal(folder, holder);
  // The kernel's lock decides, except for an older version, which wrote no host and locked nothing.
  if (holder !== undefined && holder.host === undefined && isRunning(holder)) {
    lock.close();
    throw refusal(folder, holder);
  }
  sign(lock);
  let held: KernelLock | undefined = lock;
  return {
    keep() {
      if (held === undefined || isFile(held.fd, file)) return;
      const again = lockFile(file);
      if (again === undefined) throw refusal(folder, holderOf(readFileSync(file, 'utf8')));
      sign(again);
      held.close();
      held = again;
    },
    release() {
      if (held === undefined) return;
      // The file stays: after a removal two processes could lock two files, the old and a new one.
      ftruncateSync(held.fd);
      held.close();
      held = undefined;
    },
  };
}

/** Writes into it who holds it. */
function sign({ fd }: KernelLock): void {
  const since = new Date().toISOString();
  const started = runningProcess(process.pid)?.started;
  ftruncateSync(fd);
  writeSync(fd, `${JSON.stringify({ pid: process.pid, started, host: thisHost(), since })}\n`, 0);
}
