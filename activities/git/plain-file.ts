// Reads files of a repository as data, whatever stands in their place.
import { constants } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import { join } from 'node:path';

/** Undefined unless it is an ordinary file in an ordinary directory: `.git` may be a link or a device. */
export async function readPlainFile(
  directory: string,
  name: string,
  maxBytes: number,
): Promise<Buffer | undefined> {
  const start = await readPlainStart(directory, name, maxBytes);
  return start !== undefined && start.size <= maxBytes ? start.bytes : undefined;
}

/** The same of a file of any size: its first bytes. */
export async function readPlainStart(
  directory: string,
  name: string,
  maxBytes: number,
): Promise<{ bytes: Buffer; size: number } | undefined> {
  try {
    if (!(await lstat(directory)).isDirectory()) return undefined;
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const file = await open(join(directory, name), flags);
    try {
      const stat = await file.stat();
      if (!stat.isFile()) return undefined;
      // One more than asked for tells of a file that grows.
      const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(stat.size, maxBytes) + 1), {
        position: 0,
      });
      return {
        bytes: buffer.subarray(0, Math.min(bytesRead, maxBytes)),
        size: Math.max(stat.size, bytesRead),
      };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isGone(error) || (error as NodeJS.ErrnoException).code === 'ELOOP') return undefined;
    throw error;
  }
}

export function isGone(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '');
}
