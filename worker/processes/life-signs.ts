// A child's sign of life: a file whose time changes as long as the event loop turns, whatever its servers do. Only its
// supervisor looks at it.
import { closeSync, futimesSync, openSync, rmSync } from 'node:fs';

/** Until the function returned is called. */
export function giveLifeSigns(file: string, everyMs: number): () => void {
  const opened = openSync(file, 'w', 0o600);
  const giving = setInterval(() => {
    const now = new Date();
    try {
      futimesSync(opened, now, now);
    } catch {
      // A file system that takes no sign is no reason to die; the supervisor decides what the silence means.
    }
  }, everyMs);
  // No reason for a process to go on.
  giving.unref();
  return () => {
    clearInterval(giving);
    closeSync(opened);
    rmSync(file, { force: true });
  };
}
