// A person's yes to a run whose money is used up: more money for that run, or another try at an allowance.
import { z } from 'zod';
import type { ApprovalRow } from '../../activities/store/approvals/approvals.ts';
import { addAudit } from '../../activities/store/access/audit.ts';
import type { Write } from '../../activities/store/log/events.ts';
import { ofRun } from '../../activities/store/approvals/limit-questions.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import { money } from '../../workflows/contracts/fields.ts';
import type { EffectiveLimits, RunLimits } from '../../workflows/contracts/run.ts';

const More = z.strictObject({ costMicros: money.min(1) });

/** The caller holds the run's lock. */
export async function allowMore(
  write: Write,
  run: RunRow,
  approval: ApprovalRow,
  { input, by, note = '' }: { input: unknown; by: string; note?: string | undefined },
): Promise<void> {
  if (approval.input_hash !== ofRun) {
    if (input === undefined) return;
    throw new Failure(
      'InvalidInput',
      'This waits for an allowance, not for the run: raise it with PUT /allowances, or approve without input to try again.',
    );
  }
  const limits = run.limits as unknown as EffectiveLimits;
  const more = More.safeParse(input);
  const costMicros = more.success ? limits.costMicros + more.data.costMicros : Number.NaN;
  if (!Number.isSafeInteger(costMicros)) {
    throw new Failure(
      'InvalidInput',
      'Say how much more the run may spend, in micro-dollars: {"input": {"costMicros": 1000000}} is one dollar.',
    );
  }
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
}
