// Locks that the kernel holds: on a file itself, whatever name it is reached by, and gone with the last process that
// has the descriptor, however that ends. A child that inherits the descriptor holds the lock too, from its first moment.
import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { tryLock } from 'fs-native-extensions';
import { openersOf } from '../activities/host/open-files.ts';

export interface KernelLock extends Disposable {
  file: string;
  /** For a child that is to hold the lock as long as it lives. */
  fd: number;
  /** Gives up this descriptor; the lock stays with children that inherited it. May be called twice. */
  close(): void;
}

/** Where a child finds the descriptor that it inherited. */
export const inheritedFd = 3;

/** Whether the name still leads to what the descriptor holds. */
export function isFile(fd: number, file: string): boolean {
  const [held, named] = [
    fstatSync(fd, { bigint: true }),
    statSync(file, { bigint: true, throwIfNoEntry: false }),
  ];
  return held.ino === named?.ino && held.dev === named.dev;
}

function lockOn(fd: number, file: string, shared: boolean): boolean {
  try {
    return tryLock(fd, { shared });
  } catch (error) {
    throw new Error(
      `The file system of ${path.dirname(file)} cannot lock files (${(error as NodeJS.ErrnoException).code}), so nothing keeps a second server from these files: set PERDURE_DATA to a folder on a local disk.`,
    );
  }
}

/** Undefined when another process, or another descriptor of this one, holds it. */
export function lockFile(file: string, { shared = false } = {}): KernelLock | undefined {
  const fd = openSync(file, constants.O_RDWR | constants.O_CREAT, 0o600);
  let open = true;
  const close = (): void => {
    if (open) closeSync(fd);
    open = false;
  };
  try {
    // A file that was removed or replaced meanwhile is not the one that others lock.
    if (lockOn(fd, file, shared) && isFile(fd, file)) return { file, fd, close, [Symbol.dispose]: close };
  } catch (error) {
    close();
    throw error;
  }
  close();
  return undefined;
}

/** The kernel gives a lock back moments after its last holder is seen gone. Past `waitMs` one sentence is thrown. */
export async function lockWithin(waitMs: number, file: string, what: string): Promise<KernelLock> {
  const deadline = Date.now() + waitMs;
  for (;;) {
    const lock = lockFile(file);
    if (lock !== undefined) return lock;
    if (Date.now() >= deadline) throw new Error(heldProblem(file, what));
    // A look costs microseconds.
    await sleep(25);
  }
}

/** From exclusive to shared: children can hold it too, and no process can have it exclusively. */
export function shareLock({ fd, file }: KernelLock): void {
  lockOn(fd, file, true);
}

/**
 * For a child that starts programs of its own: exchanges the inherited descriptor, which they would inherit in turn,
 * for one of its own. Undefined when none was inherited, as in a process that was started by itself.
 */
export function keepSharedLock(file: string): KernelLock | undefined {
  const inherited = (() => {
    try {
      return isFile(inheritedFd, file);
    } catch (error) {
      if (['EBADF', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
      throw error;
    }
  })();
  if (!inherited) return undefined;
  const own = lockFile(file, { shared: true });
  closeSync(inheritedFd);
  return own;
}

/** One sentence for a lock that could not be had. */
function heldProblem(file: string, what: string): string {
  const pids = openersOf([file]).filter((pid) => pid !== process.pid);
  const holder =
    pids.length === 0
      ? 'a process that cannot be seen from here, such as one in another container or on another machine'
      : `the ${pids.length === 1 ? 'process' : 'processes'} ${pids.join(', ')}`;
  return `${what} in ${path.dirname(file)} is still used by ${holder}: end that first, or set PERDURE_DATA to another folder.`;
}
