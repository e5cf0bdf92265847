// Saying something to an active run. A row first, then the wake; the run reads it before its next model call.
import { v7 as uuid } from 'uuid';
import { addInput } from '../../activities/store/runs/inputs.ts';
import { lockRun } from '../../activities/store/runs/runs.ts';
import { found } from '../../workflows/contracts/failures.ts';
import type { ReceiptView, SteerBody } from '../../workflows/contracts/run.ts';
import { byOf, type Verb } from './verb.ts';

export const steerRun: Verb<SteerBody & { runId: string }, ReceiptView> = async (
  parts,
  write,
  caller,
  { runId, text, messageId = uuid() },
) => {
  const run = found(await lockRun(write, caller.tenantId, runId), `run ${runId}`);
  const input = { kind: 'steer' as const, messageId, text: parts.redact(text), by: byOf(caller) };
  const receipt = await addInput(write, run, input);
  return { body: receipt, after: () => parts.runs.wake(run.id) };
};
