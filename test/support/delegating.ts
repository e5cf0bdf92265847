// Has runs of a test's store ask for subagents, as the activity of such a call does.
import { makeDelegation } from '../../activities/call/delegate.ts';
import { findRun, lockRun, type RunRow } from '../../activities/store/runs/runs.ts';
import { childOfCall } from '../../activities/store/delegation/delegations.ts';
import { attendChildren } from '../../activities/store/delegation/reports.ts';
import type { RunToolResult } from '../../workflows/contracts/activities.ts';
import type { Delegates } from '../../workflows/contracts/delegation.ts';
import { startNeeds } from './start-needs.ts';
import { aCall, anAttempt, lockedRun, type TestStore } from './store.ts';

/** A reviewed call of one of these tools, for `store.step`. */
export function aDelegation(
  callId: string,
  delegates: Delegates,
  input: { prompt?: string; name?: string; names?: string[] } = { prompt: 'A part of it.' },
) {
  const tool = { inline: 'delegate', async: 'delegate-async', wait: 'wait' }[delegates];
  return aCall(callId, { tool, input, decided: { delegates }, effect: 'read', repeat: 'safe' });
}

/** Makes the call; the subagent has not begun. */
export async function delegated(
  store: TestStore,
  run: { id: string; tenant_id: string },
  callId: string,
  delegates: Delegates,
  attempt = 1,
): Promise<RunToolResult & { child: RunRow | undefined }> {
  const input = { tenantId: run.tenant_id, runId: run.id, callId };
  const parts = { log: store.log, startRun: () => undefined, schedules: { needs: startNeeds } };
  const task = anAttempt(run, `call/${callId}`, attempt);
  const result = await makeDelegation(parts, input, { task }, delegates);
  const row = await childOfCall(store.database.db, run.id, callId);
  const child = row && (await findRun(store.database.db, run.tenant_id, row.child_id));
  return { ...result, child };
}

/** What the workflow's look into the rows does for subagents: the calls that are over. */
export async function attended(store: TestStore, run: { id: string }): Promise<string[]> {
  return store.log.write('test', async (write) =>
    attendChildren(write, await lockedRun(write, run.id, lockRun), async () => 'kept'),
  );
}

/** A run that waits for its one subagent. */
export async function delegatingRun(
  store: TestStore,
  changes?: Parameters<TestStore['started']>[0],
): Promise<{ parent: RunRow; child: RunRow }> {
  const parent = await store.started(changes);
  await store.step(parent, 1, { calls: [aDelegation('1.0', 'inline')] });
  const { child } = await delegated(store, parent, '1.0', 'inline');
  if (!child) throw new Error('There is no subagent.');
  return { parent: await store.run(parent.id), child };
}

/** A main run that has asked, by the calls 1.0, 1.1 and so on, for subagents that it does not wait for; they have begun. */
export async function askingRun(
  store: TestStore,
  count: number,
  changes?: Parameters<TestStore['started']>[0],
): Promise<{ parent: RunRow; children: RunRow[] }> {
  const parent = await store.started(changes);
  const calls = Array.from({ length: count }, (_, index) =>
    aDelegation(`1.${index}`, 'async', { prompt: 'Look.', name: `part-${index}` }),
  );
  await store.step(parent, 1, { calls });
  const children: RunRow[] = [];
  for (const { callId } of calls) {
    const { child } = await delegated(store, parent, callId, 'async');
    if (!child) throw new Error('There is no subagent.');
    await store.begin(child);
    children.push(child);
  }
  return { parent: await store.run(parent.id), children };
}

/** Its answer, and its end. */
export async function reports(store: TestStore, child: RunRow, text: string): Promise<void> {
  await store.step(child, 1, { text });
  await store.end(child);
}
