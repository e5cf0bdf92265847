// Makes a call that has subagents work or waits for some. It is over at once, or parked: closed in the rows once they have
// reported, with no worker held meanwhile.
import type { RunToolInput, RunToolResult } from '../../workflows/contracts/activities.ts';
import type { Delegates } from '../../workflows/contracts/delegation.ts';
import type { ActivityDeps, ActivityTask } from '../deps.ts';
import { type CallResult, type CallRow, claimCall, closeCall } from '../store/calls/calls.ts';
import { childOfCall, childrenOf, type DelegationRow, setWaiting } from '../store/delegation/delegations.ts';
import { openDelegation, type Wanted } from '../store/delegation/open-delegation.ts';
import type { StartNeeds } from '../store/lifecycle/start-run.ts';
import type { Write } from '../store/log/events.ts';
import { type AttemptRef, endAttempt, ending } from '../store/runs/attempts.ts';
import {
  findRun,
  type LockedRun,
  lockRunAndConversation,
  requireRun,
  type RunRow,
  streamFor,
} from '../store/runs/runs.ts';

/** `child`: a run whose workflow is to be started. */
type Made = { result: CallResult; child?: RunRow } | { parked: true; child?: RunRow };

export async function makeDelegation(
  deps: Pick<ActivityDeps, 'log' | 'startRun'> & { schedules: Pick<ActivityDeps['schedules'], 'needs'> },
  { tenantId, runId, callId }: Pick<RunToolInput, 'tenantId' | 'runId' | 'callId'>,
  { task }: Pick<ActivityTask, 'task'>,
  delegates: Delegates,
): Promise<RunToolResult> {
  const { status, child } = await deps.log.write('delegate', async (write) => {
    // A run is accepted under the lock of its conversation, which comes before that of its parent.
    requireRun(await lockRunAndConversation(write, tenantId, runId), runId);
    const claim = await claimCall(write, { tenantId, callId, attempt: task });
    if (claim.kind === 'recorded') return { status: claim.call.status };
    // The end of the run closes it.
    if (claim.kind === 'stopped') return { status: 'stopped' };
    const { run, call, ref } = claim;
    const made =
      delegates === 'wait'
        ? await awaitChildren(write, run, call)
        : await startChild(deps.schedules.needs, write, run, call, delegates === 'async');
    await leave(write, run, call, ref, made);
    const started = made.child && { child: made.child };
    return { status: 'parked' in made ? 'waiting' : made.result.status, ...started };
  });
  if (child) deps.startRun(child);
  return { status, bytes: 0 };
}

async function leave(
  write: Write,
  run: LockedRun,
  call: CallRow,
  ref: AttemptRef,
  made: Made,
): Promise<void> {
  if ('parked' in made) {
    await endAttempt(write, run, ref, 'parked');
    await setWaiting(write, run, true);
    return;
  }
  const ended = ending(write, run, ref, made.result.status);
  const event = await closeCall(write, run, call, made.result, ended);
  write.append({ ...streamFor(run), events: [event] });
}

async function startChild(
  needs: StartNeeds,
  write: Write,
  run: LockedRun,
  call: CallRow,
  async: boolean,
): Promise<Made> {
  const known = await childOfCall(write.tx, run.id, call.call_id);
  const opened = known
    ? { child: await findRun(write.tx, run.tenant_id, known.child_id), delegation: known }
    : await openDelegation(write, needs, run, call, {
        ...(call.input as Pick<Wanted, 'prompt' | 'name'>),
        async,
      });
  if ('problem' in opened) return { result: failed(opened.problem) };
  const started = opened.child && { child: opened.child };
  if (!async) return { parked: true, ...started };
  const output = `The subagent ${opened.delegation.name} is at work: run ${opened.delegation.child_id}.`;
  return { result: { status: 'succeeded', output, failed: false }, ...started };
}

/** Notes with the claim whom it waits for: those at work now, or those named. */
async function awaitChildren(write: Write, run: LockedRun, call: CallRow): Promise<Made> {
  const { names } = call.input as { names?: string[] };
  const children = (await childrenOf(write.tx, run.id)).filter(({ async }) => async);
  const unknown = names?.find((name) => !children.some((child) => child.name === name));
  if (unknown !== undefined) {
    const known = [...new Set(children.map(({ name }) => name))].join(', ') || 'none';
    return { result: failed(`There is no subagent "${unknown}" to wait for. There are: ${known}.`) };
  }
  const awaited = names ? lastOfEach(children, names) : children.filter(isUntold);
  if (awaited.length === 0)
    return {
      result: {
        status: 'succeeded',
        output: 'No subagent is at work, and all have reported.',
        failed: false,
      },
    };
  await write.tx
    .updateTable('calls')
    .set({ intent: JSON.stringify({ children: awaited.map(({ child_id }) => child_id) }) })
    .where('run_id', '=', run.id)
    .where('call_id', '=', call.call_id)
    .execute();
  return { parked: true };
}

function lastOfEach(children: DelegationRow[], names: string[]): DelegationRow[] {
  return [...new Set(names)].flatMap((name) => children.findLast((child) => child.name === name) ?? []);
}

function isUntold({ state }: DelegationRow): boolean {
  return state === 'working' || state === 'reported';
}

function failed(output: string): CallResult {
  return { status: 'failed', output, failed: true };
}
