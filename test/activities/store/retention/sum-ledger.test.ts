import fc from 'fast-check';
import { expect, test } from 'vitest';
import { closeAccount, closeLost } from '../../../../activities/store/allowances/allowances.ts';
import { readUsage } from '../../../../activities/store/allowances/ledger.ts';
import { deleteRuns } from '../../../../activities/store/retention/delete-runs.ts';
import { sumLedger } from '../../../../activities/store/retention/sum-ledger.ts';
import type { UsageBy } from '../../../../workflows/contracts/allowance.ts';
import { openTenant } from '../../../support/allowances.ts';
import { openTestStore } from '../../../support/store.ts';

const store = await openTestStore();
const { db, pool } = store.database;

interface Call {
  month: number;
  model: number;
  costMicros: number;
  tokens: number;
  estimated: boolean;
  /** Its worker died: more is possible than is charged. */
  died: boolean;
}
interface Run {
  project: boolean;
  calls: Call[];
  /** What becomes of it: closed, closed as failed (tokens come back), active, active with an open reservation. */
  end: 'succeeded' | 'failed' | 'active' | 'open';
}

const call = fc.record({
  month: fc.integer({ min: 1, max: 6 }),
  model: fc.integer({ min: 0, max: 2 }),
  costMicros: fc.integer({ min: 0, max: 1000 }),
  tokens: fc.integer({ min: 2, max: 1000 }),
  estimated: fc.boolean(),
  died: fc.boolean(),
});
const aLedger = fc.array(
  fc.record<Run>({
    project: fc.boolean(),
    calls: fc.array(call, { minLength: 1, maxLength: 4 }),
    end: fc.constantFrom('succeeded', 'failed', 'active', 'open'),
  }),
  { minLength: 1, maxLength: 4 },
);

async function write(tenant: ReturnType<typeof openTenant>, runs: readonly Run[]): Promise<void> {
  for (const { project, calls, end } of runs) {
    const run = await tenant.run([], project ? { projectPath: '/project', workTree: 'own' } : {});
    for (const [index, { model, died, ...use }] of calls.entries()) {
      const key = { step: index + 1 };
      // Half of the tokens are the answer's: more than the margin of a call that dies.
      const worst = { tokens: 8000, costMicros: 2000, promptCostMicros: 10, model: `some/${model}` };
      expect((await tenant.reserve(run, key, worst)).kind).toBe('reserved');
      if (end === 'open' && index === calls.length - 1) continue;
      if (died) await closeLost(db, { run, step: index + 1, attempt: 1 });
      else await tenant.closeReservation(run, key, use);
    }
    for (const [index, { month }] of calls.entries())
      await pool.query('update allowance_entries set day = $1 where run_id = $2 and step = $3', [
        `2025-0${month}-17`,
        run.id,
        index + 1,
      ]);
    if (end === 'active' || end === 'open') continue;
    await endAs(run.id, end);
    await closeAccount(db, { tenantId: tenant.id, runId: run.id });
  }
}

async function endAs(id: string, status: string): Promise<void> {
  await pool.query(`update runs set status = $1, ended_at = now() where id = $2`, [status, id]);
  await pool.query(`update allowance_runs set state = 'ended' where run_id = $1`, [id]);
}

const sumOf = (rows: Awaited<ReturnType<typeof readUsage>>) =>
  rows.reduce<Record<string, number>>((sum, row) => {
    for (const [name, value] of Object.entries(row))
      if (typeof value === 'number') sum[name] = (sum[name] ?? 0) + value;
    return sum;
  }, {});

test('totals of what was used are the same before and after months are summed, and nothing open is summed', async () => {
  await fc.assert(
    fc.asyncProperty(aLedger, fc.integer({ min: 1, max: 7 }), async (runs, month) => {
      const tenant = openTenant(store);
      await tenant.limit('tenant', {});
      await write(tenant, runs);
      const tenantId = tenant.id;
      const usage = (by: UsageBy, range = {}) => readUsage(db, { tenantId, by, limit: 1000, ...range });
      const first = `2025-0${month}-01`;
      const look = async () => ({
        totals: await Promise.all(
          (['day', 'model', 'run', 'project'] as const).map(async (by) => sumOf(await usage(by))),
        ),
        byModel: await usage('model'),
        byProject: await usage('project'),
        // Whole months can be asked for as before.
        since: sumOf(await usage('model', { from: first })),
        until: sumOf(await usage('model', { to: `2025-0${month}-28` })),
        pools: await tenant.pool('tenant'),
      });
      const before = await look();
      const open = await pool.query(
        `select entry.id from allowance_entries entry join allowance_runs account using (run_id)
         where entry.tenant_id = $1 and account.closed_at is null order by 1`,
        [tenantId],
      );
      while ((await sumLedger.batch(db, { tenantId, before: new Date(`${first}T12:00:00Z`) })).more);
      expect(await look()).toEqual(before);
      const left = await pool.query(
        `select entry.id, day < $2::date and kind <> 'limit' as old from allowance_entries entry where tenant_id = $1 order by 1`,
        [tenantId, first],
      );
      const ids = left.rows.map(({ id }) => id);
      expect(ids).toEqual(expect.arrayContaining(open.rows.map(({ id }) => id)));
      // All that is closed and old is summed.
      expect(
        left.rows
          .filter(({ old }) => old)
          .map(({ id }) => id)
          .sort(),
      ).toEqual(
        open.rows
          .map(({ id }) => id)
          .filter((id) => left.rows.some((row) => row.id === id && row.old))
          .sort(),
      );
    }),
    { numRuns: 12 },
  );
});

test('what was charged at a ceiling is an estimate still when its month is summed, or its run deleted', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', {});
  const ended = async () => {
    const run = await tenant.run();
    await tenant.reserve(run, {}, { tokens: 100, costMicros: 100 });
    await pool.query(
      `insert into model_calls (run_id, step, attempt, tenant_id, model, status, input_tokens, cached_input_tokens,
         output_tokens, cost_micros, priced, estimated)
       values ($1, 1, 1, $2, 'openai/gpt', 'answered', 35, 0, 35, 50, false, false)`,
      [run.id, tenant.id],
    );
    await tenant.closeReservation(run, {}, { tokens: 70, costMicros: 50 });
    await endAs(run.id, 'succeeded');
    await closeAccount(db, { tenantId: tenant.id, runId: run.id });
    return run;
  };
  const deleted = await ended();
  const kept = await ended();
  const used = async () => {
    const rows = await readUsage(db, { tenantId: tenant.id, by: 'model', limit: 10 });
    return rows.map((row) => [row.costMicros, row.estimatedCostMicros, row.ceilingCostMicros]);
  };
  expect(await used()).toEqual([[100, 100, 100]]);
  const { conversation_id: conversationId } = deleted;
  await db
    .transaction()
    .execute((tx) => deleteRuns(tx, { tenantId: tenant.id, conversationId, runIds: [deleted.id] }));
  expect(await used()).toEqual([[100, 100, 50]]);
  await pool.query(`update allowance_entries set day = '2025-01-05' where run_id = $1`, [kept.id]);
  while ((await sumLedger.batch(db, { tenantId: tenant.id, before: new Date('2025-03-01') })).more);
  expect(await used()).toEqual([[100, 100, 0]]);
});

test('the sums of a month and its entries tell how much each pool was charged', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', {});
  await tenant.limit('owner/me', {});
  const run = await tenant.run(['owner/me']);
  await tenant.reserve(run, {}, { tokens: 100, costMicros: 100 });
  await tenant.closeReservation(run, {}, { tokens: 70, costMicros: 50 });
  await endAs(run.id, 'failed');
  await closeAccount(db, { tenantId: tenant.id, runId: run.id });
  await pool.query(`update allowance_entries set day = '2025-01-05' where tenant_id = $1`, [tenant.id]);
  await sumLedger.batch(db, { tenantId: tenant.id, before: new Date('2025-03-01') });
  await sumLedger.batch(db, { tenantId: tenant.id, before: new Date('2025-03-01') });
  const { rows } = await pool.query(
    `select pool.name, pool.used_tokens, pool.used_cost_micros, sum(month.tokens - month.refunded_tokens)::bigint as tokens,
       sum(month.cost_micros)::bigint as cost
     from allowances pool join allowance_months month on pool.id = any(month.allowances)
     where pool.tenant_id = $1 group by 1, 2, 3 order by 1`,
    [tenant.id],
  );
  expect(rows).toEqual(
    ['owner/me', 'tenant'].map((name) => ({
      name,
      used_tokens: 35,
      used_cost_micros: 50,
      tokens: 35,
      cost: 50,
    })),
  );
});
