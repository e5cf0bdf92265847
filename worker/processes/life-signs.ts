// A child's sign of life: a file whose time changes as long as the event loop turns, whatever its servers do. Only its
// supervisor looks at it.
import { closeSync, mkdirSync, openSync, rmSync, utimesSync } from 'node:fs';
import path from 'node:path';
import type { Chores } from '../chores.ts';

/** Until the function returned is called. A file that was removed is made again. */
export function giveLifeSigns(chores: Chores, file: string, everyMs: number): () => void {
  const give = (): void => {
    const now = new Date();
    try {
      utimesSync(file, now, now);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
      closeSync(openSync(file, 'w', 0o600));
    }
  };
  chores.run('giving signs of life', give);
  // No reason for a process to go on, nor, where a file system takes none, to end.
  const stop = chores.every('giving signs of life', everyMs, give);
  return () => {
    stop();
    chores.run('taking away the sign of life', () => rmSync(file, { force: true }));
  };
}
