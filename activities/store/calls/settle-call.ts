// Settling by hand: a person says what became of a call whose outcome is unknown. The record is corrected and
// an event says so; a run that is still active hears of it. No message is ever rewritten.
import { v7 as uuid } from 'uuid';
import { Failure, found } from '../../../workflows/contracts/failures.ts';
import type { RunStatus } from '../../../workflows/contracts/run.ts';
import { isTerminal } from '../../../workflows/run/transitions.ts';
import { type CallRow, findCall } from './calls.ts';
import type { Write } from '../log/events.ts';
import { addInput } from '../runs/inputs.ts';
import { lockRun } from '../runs/runs.ts';
import { tellOfRun } from '../runs/tell-of-run.ts';
import { toStorable } from '../../../workflows/contracts/storable.ts';

export interface Settlement {
  tenantId: string;
  runId: string;
  callId: string;
  outcome: 'done' | 'not_done';
  output?: string;
  by: string;
}

export async function settleCall(write: Write, input: Settlement): Promise<CallRow> {
  const what = `call ${input.callId} in run ${input.runId}`;
  const run = found(await lockRun(write, input.tenantId, input.runId), what);
  const call = found(await findCall(write.tx, input.tenantId, run.id, input.callId), what);
  if (call.status !== 'unknown') {
    throw new Failure(
      'CallNotUnknown',
      `Call ${call.call_id} has ended as ${call.status}; only an unknown outcome is settled.`,
    );
  }
  if (call.settled) {
    throw new Failure(
      'AlreadyResolved',
      `Call ${call.call_id} was settled as ${call.settled} by ${call.settled_by}.`,
    );
  }
  const settled = await write.tx
    .updateTable('calls')
    .set({ settled: input.outcome, settled_by: input.by })
    .where('run_id', '=', run.id)
    .where('call_id', '=', call.call_id)
    .returningAll()
    .executeTakeFirstOrThrow();
  tellOfRun(write, run, {
    type: 'call-settle',
    payload: { runId: run.id, callId: call.call_id, outcome: input.outcome, by: input.by },
  });
  if (isTerminal(run.status as RunStatus)) return settled;
  await addInput(write, run, {
    kind: 'settle',
    messageId: uuid(),
    text: messageFor(call, input),
    by: input.by,
  });
  return settled;
}

function messageFor(call: CallRow, input: Settlement): string {
  const what = `${call.tool} (call ${call.call_id}, ${toStorable(call.subject.slice(0, 4000))})`;
  const outcome =
    input.outcome === 'done'
      ? 'did take effect; do not repeat it.'
      : 'did not take effect; repeat it if it is still needed.';
  const output = input.output === undefined ? '' : `\nIts output:\n${input.output}`;
  return `A person looked into the unknown outcome of ${what}: it ${outcome}${output}`;
}
