// What follows once a message has been accepted and that has committed: which runs are to be started, and which told that
// there is something to read.
import type { EventLog } from '../log/events.ts';
import type { RunRow } from '../runs/runs.ts';
import type { Accepted } from './accept-run.ts';
import { afterEnd, givePlaces } from './after-end.ts';

export interface Follows {
  start: RunRow[];
  wake: string[];
}

export async function afterAccept(
  log: EventLog,
  { run, became, interrupted, ended }: Accepted,
): Promise<Follows> {
  const start = became === 'started' ? [run] : [];
  // A place may have become free since it was looked for.
  if (became === 'waiting') start.push(...(await givePlaces(log, run.tenant_id)));
  const wake = became === 'steered' ? [run.id] : [];
  if (interrupted) wake.push(interrupted.id);
  wake.push(...(ended?.wakes ?? []));
  if (ended) start.push(...(await afterEnd(log, ended)));
  return { start, wake };
}
