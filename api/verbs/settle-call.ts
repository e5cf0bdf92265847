// Saying what became of a call whose outcome is unknown.
import { toCallView } from '../../activities/store/calls/calls.ts';
import * as store from '../../activities/store/calls/settle-call.ts';
import type { CallView, SettleBody } from '../../workflows/contracts/call.ts';
import { actorOf, type Verb } from './verb.ts';

type Settle = SettleBody & { runId: string; callId: string };

export const settleCall: Verb<Settle, CallView> = async (parts, write, caller, { output, ...said }) => {
  const { tenantId, by } = actorOf(caller);
  const settlement = { ...said, ...(output !== undefined && { output }), tenantId, by };
  const call = await store.settleCall(write, settlement);
  return { body: toCallView(call), after: () => parts.runs.wake(call.run_id) };
};
