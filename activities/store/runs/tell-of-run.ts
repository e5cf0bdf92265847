// An event about a run whether it is at work or not: on its own stream, or once that has ended, on its tenant's alone.
import type { NewEvent } from '../../../workflows/contracts/event.ts';
import type { RunStatus } from '../../../workflows/contracts/run.ts';
import { isTerminal } from '../../../workflows/run/transitions.ts';
import type { Write } from '../log/events.ts';
import { type RunRow, streamFor } from './runs.ts';

type Of = Pick<RunRow, 'id' | 'tenant_id' | 'conversation_id' | 'status'>;

/** The caller holds the run's lock: its status is what it is. */
export function tellOfRun(write: Write, run: Of, ...events: NewEvent[]): void {
  const { stream, ...of } = streamFor(run);
  if (isTerminal(run.status as RunStatus)) write.tell({ tenantId: of.tenantId, source: stream, events });
  else write.append({ stream, ...of, events });
}
