// Rewinding a run as a person does, over a kernel: the verb asks, a worker does it.
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { findRewind, toRewindView } from '../../activities/store/runs/rewinds.ts';
import { openApprovals } from '../../activities/store/approvals/approval-lists.ts';
import { answerApproval } from '../../activities/store/approvals/approvals.ts';
import { defaultTenant } from '../../activities/store/db/database.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import { stopRun } from '../../api/verbs/stop-run.ts';
import { applyRun } from '../../api/verbs/apply-run.ts';
import { rewindRun } from '../../api/verbs/rewind-run.ts';
import { perform, type VerbParts } from '../../api/verbs/verb.ts';
import type { RewindBody, RewindView } from '../../workflows/contracts/checkpoint.ts';
import type { Kernel } from './kernel.ts';
import { lockedRun } from './store.ts';

const caller = { tenantId: defaultTenant, name: 'first', surface: 'test', requestId: 'request' };

/** Waits for its end. */
export async function requestRewind(
  kernel: Kernel,
  run: Pick<RunRow, 'id'>,
  to: RewindBody['to'],
): Promise<RewindView> {
  const parts = { rewinds: kernel.rewinds } as unknown as VerbParts;
  const { body } = await perform(kernel.store.log, 'test', (write) =>
    rewindRun(parts, write, caller, { runId: run.id, to }),
  );
  return rewindEnded(kernel, run, body.id);
}

export async function rewindEnded(
  kernel: Kernel,
  run: Pick<RunRow, 'id'>,
  rewindId: string,
): Promise<RewindView> {
  for (;;) {
    const row = await findRewind(kernel.store.database.db, {
      tenantId: defaultTenant,
      runId: run.id,
      rewindId,
    });
    if (!row) throw new Error(`There is no rewind ${rewindId}.`);
    if (row.status !== 'open') return toRewindView(row);
    await sleep(15);
  }
}

export function requestUndo(kernel: Kernel, run: Pick<RunRow, 'id'>): Promise<RewindView> {
  return requestRewind(kernel, run, 'start');
}

/** Waits for its end. */
export async function requestApply(kernel: Kernel, run: Pick<RunRow, 'id'>): Promise<RewindView> {
  const parts = { rewinds: kernel.rewinds } as unknown as VerbParts;
  const { body } = await perform(kernel.store.log, 'test', (write) =>
    applyRun(parts, write, caller, { runId: run.id }),
  );
  return rewindEnded(kernel, run, body.id);
}

/** As `perdure cancel --undo` does. */
export async function cancelWithUndo(kernel: Kernel, run: RunRow): Promise<void> {
  const parts = { log: kernel.store.log, runs: kernel.runs } as unknown as VerbParts;
  await perform(kernel.store.log, 'test', (write) =>
    stopRun(parts, write, caller, { runId: run.id, kind: 'cancel', undo: true }),
  );
}

/** Waits for the question about a call, and allows it. */
export async function answerNext(kernel: Kernel, run: RunRow, callId: string): Promise<void> {
  await kernel.seen(run, 'approval-request', (asked: { callId: string }) => asked.callId === callId);
  await kernel.store.log.write('test', async (write) => {
    const locked = await lockedRun(write, run.id);
    const open = await openApprovals(write.tx, locked);
    const { id } = open.find(({ call_id }) => call_id === callId) ?? {};
    if (id) await answerApproval(write, locked, id, { status: 'approved', by: 'test' });
  });
  await kernel.wake(run);
}

export async function untilThere(file: string): Promise<void> {
  while (!existsSync(file)) await sleep(15);
}
