// What a run may use of money and of tokens: the limits of the pool that it brings along, whose counters are those of
// the run. They are looked at before a step opens, under the run's lock, and hold what calls have used, never a worst
// case: a run with little money still makes its calls, and one whose workers die does not pay for calls that were never
// made.
import type { LimitName } from '../../../workflows/contracts/allowance.ts';
import type { EffectiveLimits, RunLimits } from '../../../workflows/contracts/run.ts';
import { sql } from 'kysely';
import { addAudit } from '../access/audit.ts';
import type { Queries } from '../db/database.ts';
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
function ownShortage(run: Spent): OwnShortage | undefined {
  const { costMicros, tokens } = limitsOf(run);
  const parts = [
    { limit: 'costMicros', allowed: costMicros, used: run.cost_micros },
    { limit: 'tokens', allowed: tokens, used: run.input_tokens + run.output_tokens },
  ] as const;
  const short = parts.find(({ allowed, used }) => used >= allowed);
  return short && { allowanceId: null, ...short };
}

/**
 * The same of a run with its subagents, and of all that it is a subagent of, the main run first: what they use counts
 * for each run above them. Those of one tree that look at the same time each make one call more.
 */
export async function shortageOf(queries: Queries, run: RunRow): Promise<OwnShortage | undefined> {
  if (isAlone(run)) return ownShortage(run);
  for (const above of await lineOf(queries, run)) {
    const short = ownShortage(above);
    if (short) return short;
  }
  return undefined;
}

/** The least that is left of these to any run from the main one down to this. */
export async function leftInTree(
  queries: Queries,
  run: RunRow,
): Promise<{ costMicros: number; tokens: number }> {
  const line = isAlone(run) ? [run] : await lineOf(queries, run);
  const left = line.map((above) => {
    const { costMicros, tokens } = limitsOf(above);
    return {
      costMicros: costMicros - above.cost_micros,
      tokens: tokens - above.input_tokens - above.output_tokens,
    };
  });
  return {
    costMicros: Math.min(...left.map(({ costMicros }) => costMicros)),
    tokens: Math.min(...left.map(({ tokens }) => tokens)),
  };
}

function isAlone({ kind, children }: RunRow): boolean {
  return kind !== 'subagent' && children === 0;
}

type Spent = Pick<RunRow, 'limits' | 'cost_micros' | 'input_tokens' | 'output_tokens'>;

/** The runs from the main one down to this, each with what it and all below it have used. */
async function lineOf(queries: Queries, run: RunRow): Promise<Spent[]> {
  const { rows } = await sql<Spent>`
    with line as (
      select id, root_id, place from delegations, unnest(ancestors || child_id) with ordinality as above (id, place)
      where child_id = ${run.id}
      union all select id, id, 1 from runs where id = ${run.id} and kind = 'main'
    )
    select above.limits, above.cost_micros + below.cost_micros as cost_micros,
      above.input_tokens + below.input_tokens as input_tokens,
      above.output_tokens + below.output_tokens as output_tokens
    from line join runs above on above.id = line.id cross join lateral (
      select coalesce(sum(cost_micros), 0)::bigint as cost_micros,
        coalesce(sum(input_tokens), 0)::bigint as input_tokens,
        coalesce(sum(output_tokens), 0)::bigint as output_tokens
      from delegations join runs on runs.id = child_id
      where delegations.root_id = line.root_id and line.id = any(delegations.ancestors)
    ) below
    order by line.place`.execute(queries);
  return rows;
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

function limitsOf(run: Pick<RunRow, 'limits'>): EffectiveLimits {
  return run.limits as unknown as EffectiveLimits;
}
