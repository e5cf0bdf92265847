// What follows the end of a run once that has committed: its account is closed, and a run that waits for a place gets
// it. The sweeper repairs both where the process dies before it has done them.
import { closeAccount } from '../allowances/allowances.ts';
import { tellTenant } from '../allowances/crossings.ts';
import { isStoreOutage } from '../db/database.ts';
import type { EndedRun } from './end-run.ts';
import type { EventLog } from '../log/events.ts';
import { admitWaiting } from '../allowances/run-places.ts';
import type { RunRow } from '../runs/runs.ts';

/** Returns the runs whose workflow is to be started. */
export async function afterEnd(
  log: EventLog,
  { ended, run, waiting, promoted }: EndedRun,
): Promise<RunRow[]> {
  if (!ended) return [];
  try {
    await closeEnded(log, { tenantId: run.tenant_id, runId: run.id });
    return waiting || promoted ? await givePlaces(log, run.tenant_id) : [];
  } catch (error) {
    // The run has ended whatever becomes of this; the sweeper does it when Postgres is back.
    if (!isStoreOutage(error)) throw error;
    return [];
  }
}

export async function closeEnded(log: EventLog, of: { tenantId: string; runId: string }): Promise<void> {
  const { crossed } = await closeAccount(log.db, of);
  await tellTenant(log, { id: of.runId, tenant_id: of.tenantId }, crossed);
}

/** Gives free places to those who wait for one. Returns the runs whose workflow is to be started. */
export async function givePlaces(log: EventLog, tenantId: string): Promise<RunRow[]> {
  return log.write('give-places', async ({ tx }) => {
    const ids = await admitWaiting(tx, tenantId);
    if (ids.length === 0) return [];
    return tx.selectFrom('runs').selectAll().where('id', 'in', ids).execute();
  });
}
