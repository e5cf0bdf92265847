// What a supervisor published of its processes, held against what runs now. A file stays as it was when its writer is
// killed, and a process id goes to another program in time.
import type { ProcessView } from '../../workflows/contracts/system.ts';
import { findProcess } from './process-table.ts';

/** As in processes.json. */
export type PublishedProcess = ProcessView & { started?: string | null };

/** As published where it runs, and down without a pid where it does not. */
export function seenNow<View extends PublishedProcess>(published: readonly View[]): View[] {
  return published.map((view) => (isThere(view) ? view : { ...view, pid: null, health: 'down' }));
}

function isThere({ pid, started, health }: PublishedProcess): boolean {
  // A server of another owner, which we do not start and whose process we do not know.
  if (health === 'external') return true;
  const row = pid === null ? undefined : findProcess(pid);
  return row !== undefined && !row.dead && row.started === started;
}
