// Saying what became of a call whose outcome is unknown.
import { toCallView } from '../../activities/store/calls/calls.ts';
import * as store from '../../activities/store/calls/settle-call.ts';
import type { CallView, SettleBody } from '../../workflows/contracts/call.ts';
import { byOf, type Verb } from './verb.ts';

export const settleCall: Verb<SettleBody & { runId: string; callId: string }, CallView> = async (
  parts,
  write,
  caller,
  { output, ...settlement },
) => {
  const call = await store.settleCall(write, {
    ...settlement,
    tenantId: caller.tenantId,
    ...(output !== undefined && { output }),
    by: byOf(caller),
  });
  return { body: toCallView(call), after: () => parts.runs.wake(call.run_id) };
};
