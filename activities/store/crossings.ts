// Thresholds of allowances that were reached, told in an event: once in their period, on the stream of the run whose
// call or start reached them.
import { type NewEvent, streamOf } from '../../workflows/contracts/event.ts';
import type { Crossing } from './allowances.ts';
import { streamFor } from './calls.ts';
import { type EventLog, StreamEnded } from './events.ts';
import type { RunRow } from './runs.ts';

export function toWarnings(crossed: readonly Crossing[]): NewEvent[] {
  return crossed.map(({ name, model, limit, percent, used, allowed, period }) => ({
    type: 'budget-warning',
    payload: { allowance: name, model, limit, percent, used, allowed, endsAt: endOf(period) },
  }));
}

/** A period is named as far as it goes: a day, an hour of it, or all time. */
function endOf(period: string): string | null {
  if (period === '') return null;
  const isDay = period.length === '2026-01-05'.length;
  const hours = isDay ? 24 : 1;
  const begin = Date.parse(isDay ? period : `${period}:00Z`);
  return new Date(begin + hours * 3_600_000).toISOString();
}

/** Nothing follows the end of a run on its own stream: the tenant's carries it then. */
export async function tellCrossings(
  log: EventLog,
  run: Pick<RunRow, 'id' | 'tenant_id' | 'conversation_id'>,
  crossed: readonly Crossing[],
): Promise<void> {
  if (crossed.length === 0) return;
  const events = toWarnings(crossed);
  try {
    await log.append({ ...streamFor(run), events });
  } catch (error) {
    if (!(error instanceof StreamEnded)) throw error;
    await tellTenant(log, run.tenant_id, crossed);
  }
}

export async function tellTenant(
  log: EventLog,
  tenantId: string,
  crossed: readonly Crossing[],
): Promise<void> {
  if (crossed.length === 0) return;
  const stream = streamOf('tenant', tenantId);
  await log.append({ tenantId, stream, conversationId: null, events: toWarnings(crossed) });
}
