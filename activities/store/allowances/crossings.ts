// Thresholds of allowances that were reached, told in an event: once in their period, on the stream of the run whose
// call or start reached them.
import { type NewEvent, streamOf } from '../../../workflows/contracts/event.ts';
import type { Crossing } from './allowances.ts';
import type { Queries } from '../db/database.ts';
import { type EventLog, StreamEnded, type Write } from '../log/events.ts';
import { type RunRow, streamFor } from '../runs/runs.ts';

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

type Told = Pick<RunRow, 'id' | 'tenant_id' | 'conversation_id'>;

/** Nothing follows the end of a run on its own stream: the tenant is told alone then. */
export async function tellCrossings(log: EventLog, run: Told, crossed: readonly Crossing[]): Promise<void> {
  if (crossed.length === 0) return;
  try {
    await log.write('tell-crossings', async (write) => {
      const events = await takeWarnings(write, crossed);
      if (events.length > 0) write.append({ ...streamFor(run), events });
    });
  } catch (error) {
    if (!(error instanceof StreamEnded)) throw error;
    await tellTenant(log, run, crossed);
  }
}

/** Of a run that has ended. */
export async function tellTenant(
  log: EventLog,
  run: Pick<Told, 'id' | 'tenant_id'>,
  crossed: readonly Crossing[],
): Promise<void> {
  if (crossed.length === 0) return;
  await log.write('tell-tenant', async (write) => {
    const events = await takeWarnings(write, crossed);
    write.tell({ tenantId: run.tenant_id, source: streamOf('run', run.id), events });
  });
}

/** Those that were not told yet, for the caller to append in this transaction. */
export async function takeWarnings({ tx }: Write, crossed: readonly Crossing[]): Promise<NewEvent[]> {
  if (crossed.length === 0) return [];
  const taken = await tx
    .deleteFrom('allowance_untold')
    .where(({ eb, refTuple, tuple }) =>
      eb(
        refTuple('allowance_id', 'mark'),
        'in',
        crossed.map(({ allowanceId, limit, percent, period }) =>
          tuple(allowanceId, `${limit}/${percent}/${period}`),
        ),
      ),
    )
    .returning('crossing')
    .execute();
  return toWarnings(taken.map(({ crossing }) => crossing as unknown as Crossing));
}

/** What was reached and has not been told since: the oldest first. */
export async function listUntold(
  queries: Queries,
  olderThanMs: number,
  limit: number,
): Promise<{ run: Told; crossing: Crossing }[]> {
  const rows = await queries
    .selectFrom('allowance_untold')
    .innerJoin('runs', 'runs.id', 'allowance_untold.run_id')
    .select(['runs.id', 'runs.tenant_id', 'runs.conversation_id', 'crossing'])
    .where('at', '<', new Date(Date.now() - olderThanMs))
    .orderBy('at')
    .limit(limit)
    .execute();
  return rows.map(({ crossing, ...run }) => ({ run, crossing: crossing as unknown as Crossing }));
}
