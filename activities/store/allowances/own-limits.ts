// What a run may use of money and of tokens: the limits of the pool that it brings along, whose counters are those of
// the run. They are looked at before a step opens, under the run's lock, and hold what calls have used, never a worst
// case: a run with little money still makes its calls, and one whose workers die does not pay for calls that were never
// made.
import type { LimitName } from '../../../workflows/contracts/allowance.ts';
import type { EffectiveLimits, RunLimits } from '../../../workflows/contracts/run.ts';
import { addAudit } from '../access/audit.ts';
import type { Write } from '../log/events.ts';
import type { RunRow } from '../runs/runs.ts';

/** A limit of a run itself that is used up. What one call uses may go over it once. */
export interface OwnShortage {
  /** No row of allowances stands for it. */
  allowanceId: null;
  limit: Extract<LimitName, 'costMicros' | 'tokens'>;
  allowed: number;
  used: number;
}

/** Money comes first: there may be more of it. */
export function ownShortage(run: RunRow): OwnShortage | undefined {
  const { costMicros, tokens } = limitsOf(run);
  const parts = [
    { limit: 'costMicros', allowed: costMicros, used: run.cost_micros },
    { limit: 'tokens', allowed: tokens, used: run.input_tokens + run.output_tokens },
  ] as const;
  const short = parts.find(({ allowed, used }) => used >= allowed);
  return short && { allowanceId: null, ...short };
}

/** Gives a run, whose lock the caller holds, so much more money. False where that is no number any more. */
export async function raiseOwn(
  write: Write,
  run: RunRow,
  { more, by, note }: { more: number; by: string; note: string },
): Promise<boolean> {
  const limits = limitsOf(run);
  const costMicros = limits.costMicros + more;
  if (!Number.isSafeInteger(costMicros)) return false;
  await write.tx
    .updateTable('runs')
    .set({ limits: JSON.stringify({ ...limits, costMicros } satisfies RunLimits) })
    .where('id', '=', run.id)
    .execute();
  await addAudit(write, [
    {
      tenantId: run.tenant_id,
      actor: by,
      action: 'run-limit',
      runId: run.id,
      reason: note,
      detail: { costMicros: { before: limits.costMicros, after: costMicros } },
    },
  ]);
  return true;
}

function limitsOf(run: RunRow): EffectiveLimits {
  return run.limits as unknown as EffectiveLimits;
}
