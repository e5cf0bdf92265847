// A disk of its own that can be filled: a tmpfs, which takes the machine's memory only as far as it is used. It is
// filled by making it as small as what is on it. Only root may mount one, and in many containers not even root may.
import { execFile, execFileSync } from 'node:child_process';
import { statfsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

export interface SmallDisk {
  folder: string;
  /** Leaves `leftBytes` free, 0 by default. What is deleted from then on is free again. */
  fill(leftBytes?: number): void;
  /** Gives back what was taken. */
  empty(): void;
  /** When nothing on it runs any more. */
  remove(): Promise<void>;
}

const run = promisify(execFile);
// More than a platform writes in an hour, Postgres' log included.
const wholeBytes = 2 * 1024 ** 3;

export async function openSmallDisk(): Promise<SmallDisk> {
  // Named so that it is removed as a leftover if its test process is killed.
  const folder = await mkdtemp(path.join(tmpdir(), `perdure-test-${process.pid}-disk-`));
  // Under root the database server runs as another user, who must be able to walk through.
  await run('mount', ['-t', 'tmpfs', '-o', `size=${wholeBytes},mode=755`, 'tmpfs', folder]);
  return {
    folder,
    fill(leftBytes = 0) {
      // What is written between the look and the change makes the size too small.
      while (!resize(folder, usedBytes(folder) + leftBytes));
    },
    empty: () => void resize(folder, wholeBytes),
    async remove() {
      await unmount(folder);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function usedBytes(folder: string): number {
  const { blocks, bfree, bsize } = statfsSync(folder);
  return (blocks - bfree) * bsize;
}

function resize(folder: string, bytes: number): boolean {
  try {
    execFileSync('mount', ['-o', `remount,size=${bytes}`, folder], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Also when something still has a file open there; nothing where nothing is mounted. */
export async function unmount(folder: string): Promise<void> {
  await run('umount', ['-l', folder]).catch(() => undefined);
}

export async function smallDiskProblem(): Promise<string | undefined> {
  try {
    await (await openSmallDisk()).remove();
    return undefined;
  } catch (error) {
    return `no file system can be mounted here (${(error as Error).message.trim().split('\n').at(-1)})`;
  }
}
