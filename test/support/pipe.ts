// A pipe in the place of a file: a process that opens it to read stands still there, for as long as a test wants.
import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { type FileHandle, open, rename } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

/** A process that has the file open keeps it. */
export async function layPipe(file: string): Promise<void> {
  await promisify(execFile)('mkfifo', ['-m', '600', `${file}.pipe`]);
  await rename(`${file}.pipe`, file);
}

/** Resolves once a process has opened it, which then waits for what is written, or for its end. */
export async function untilRead(pipe: string): Promise<FileHandle> {
  for (;;) {
    try {
      return await open(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch (error) {
      // No process reads it, or its folder has not its name yet.
      if (!['ENXIO', 'ENOENT'].includes(String((error as NodeJS.ErrnoException).code))) throw error;
      await sleep(20);
    }
  }
}
