// Saying something to an active run. A row first, then the wake; the run reads it before its next model call.
import { v7 as uuid } from 'uuid';
import { addInput } from '../../activities/store/runs/inputs.ts';
import { lockRun } from '../../activities/store/runs/runs.ts';
import { found } from '../../workflows/contracts/failures.ts';
import type { ReceiptView } from '../../workflows/contracts/receipt.ts';
import type { SteerBody } from '../../workflows/contracts/run.ts';
import { storedParts } from './input-parts.ts';
import { actorOf, type Verb } from './verb.ts';

type Steer = SteerBody & { runId: string };

export const steerRun: Verb<Steer, ReceiptView> = async (
  parts,
  write,
  caller,
  { runId, text, parts: given, messageId },
) => {
  const { tenantId, by } = actorOf(caller);
  // Content before the run: its removal locks nothing else.
  const carried = await storedParts(parts, write, tenantId, given);
  const run = found(await lockRun(write, tenantId, runId), `run ${runId}`);
  const said = { messageId: messageId ?? uuid(), text: parts.redact(text), parts: carried, by };
  const receipt = await addInput(write, run, { kind: 'steer', ...said });
  return { body: receipt, after: () => parts.runs.wake(run.id) };
};
