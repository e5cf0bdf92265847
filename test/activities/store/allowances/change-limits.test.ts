import { expect, test } from 'vitest';
import { v7 as uuid } from 'uuid';
import {
  changeLimits,
  type LimitChange,
  seedTenantAllowance,
} from '../../../../activities/store/allowances/change-limits.ts';
import { listAllowances } from '../../../../activities/store/allowances/list-allowances.ts';
import { readLedger } from '../../../../activities/store/allowances/ledger.ts';
import { openTenant } from '../../../support/allowances.ts';
import { openTestStore } from '../../../support/store.ts';

const store = await openTestStore();
const { db } = store.database;

const unlimited = {
  runSeconds: 0,
  concurrentRuns: 0,
  dayRuns: 0,
  hourCalls: 0,
  tokens: 0,
  costMicros: 0,
  dayTokens: 0,
  dayCostMicros: 0,
  models: [],
};

test('the first start gives the tenant 25 dollars a day, and no later start gives it more', async () => {
  const tenantId = uuid();
  await Promise.all(Array.from({ length: 4 }, () => seedTenantAllowance(db, tenantId)));
  const [pool, ...others] = await listAllowances(db, { tenantId, limit: 10 });
  expect(others).toEqual([]);
  expect(pool).toEqual({
    id: pool?.id,
    name: 'tenant',
    model: '',
    version: 1,
    limits: { ...unlimited, dayCostMicros: 25_000_000 },
    used: {
      concurrentRuns: 0,
      dayRuns: 0,
      hourCalls: 0,
      tokens: 0,
      costMicros: 0,
      dayTokens: 0,
      dayCostMicros: 0,
    },
    held: { tokens: 0, costMicros: 0, dayTokens: 0, dayCostMicros: 0 },
  });
  const entries = await readLedger(db, { tenantId, limit: 10 });
  expect(entries).toEqual([
    {
      id: entries[0]?.id,
      kind: 'limit',
      at: entries[0]?.at,
      day: entries[0]?.at.slice(0, 10),
      runId: null,
      step: null,
      attempt: null,
      model: '',
      pools: ['tenant'],
      tokens: 0,
      costMicros: 0,
      estimated: false,
      possibleCostMicros: 0,
      change: { before: null, after: { ...unlimited, dayCostMicros: 25_000_000 } },
      by: 'first start',
      reason: '25 dollars a day until somebody sets another limit.',
    },
  ]);
});

test('of changes made at once to one version one holds, the others hear that it is stale, and the ledger has it', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', { tokens: 10, models: ['openai/gpt'] });
  const change = (changes: Partial<LimitChange>) =>
    db.transaction().execute((tx) =>
      changeLimits(tx, {
        tenantId: tenant.id,
        name: 'tenant',
        model: '',
        limits: {},
        version: 1,
        by: 'ada (cli)',
        reason: 'More is needed.',
        ...changes,
      }),
    );
  const answers = await Promise.all([20, 30, 40].map((tokens) => change({ limits: { tokens } })));
  const { id, limits } = await tenant.pool('tenant');
  expect(answers.filter(({ kind }) => kind === 'changed')).toEqual([
    { kind: 'changed', id, version: 2, raised: ['tokens'] },
  ]);
  expect(answers.filter(({ kind }) => kind === 'stale')).toEqual([
    { kind: 'stale', version: 2 },
    { kind: 'stale', version: 2 },
  ]);
  const before = { ...unlimited, tokens: 10, models: ['openai/gpt'] };
  expect(limits).toEqual({ ...before, tokens: limits.tokens });
  const [entry] = await readLedger(db, { tenantId: tenant.id, limit: 1 });
  expect(entry).toMatchObject({
    kind: 'limit',
    change: { before, after: limits },
    by: 'ada (cli)',
    reason: 'More is needed.',
  });
  expect(await change({ version: 0 })).toEqual({ kind: 'stale', version: 2 });
  expect(await change({ name: 'owner/nobody', version: 3 })).toEqual({ kind: 'stale', version: 0 });
});

test('a limit that is no amount, and a pool of a name nobody draws from, cannot be stored', async () => {
  const tenant = openTenant(store);
  const most = Number.MAX_SAFE_INTEGER;
  const range = `must be a whole number from 0, which is unlimited, to ${most}.`;
  for (const tokens of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, most + 1])
    await expect(tenant.limit('tenant', { tokens })).rejects.toThrow(`tokens ${range}`);
  for (const name of ['owner/', 'user/ada', 'tenants'])
    await expect(tenant.limit(name as 'tenant', {})).rejects.toThrow(
      `"${name}" is no pool: write tenant, conversation/<id>, run/<id>, owner/<anything> or executor/<name>.`,
    );
  await expect(tenant.limit('tenant', { dayRuns: 1 }, 'openai/gpt')).rejects.toThrow(
    "dayRuns limits runs; a pool of one model's calls cannot have it.",
  );
  await expect(tenant.limit('tenant', { models: ['openai/gpt'] }, 'openai/gpt')).rejects.toThrow(
    "models cannot be listed in a pool of one model's calls.",
  );
  await tenant.limit('tenant', { tokens: Number.MAX_SAFE_INTEGER });
  expect((await tenant.pool('tenant')).limits.tokens).toBe(Number.MAX_SAFE_INTEGER);
});

test('what would be stored and never hold is refused with what to write instead', async () => {
  const tenant = openTenant(store);
  const some = uuid();
  const ofRun = 'is looked at before a run has its id; set it for tenant, the conversation or an owner.';
  const cases: [name: string, limits: Partial<LimitChange['limits']>, problem: string][] = [
    [`run/${some}`, { runSeconds: 1 }, `runSeconds ${ofRun}`],
    [`run/${some}`, { dayRuns: 1 }, `dayRuns ${ofRun}`],
    [`run/${some}`, { concurrentRuns: 1 }, `concurrentRuns ${ofRun}`],
    ['run/abc', {}, 'name must be run/ and the id of a run as the API writes it, a UUID; "abc" is none.'],
    [`run/${some.toUpperCase()}`, {}, 'name must be run/ and the id of a run as the API writes it'],
    ['conversation/typo', {}, 'name must be conversation/ and the id of a conversation'],
    [
      'owner/has space',
      {},
      'name must be owner/ and what runs give as their owner, which must be letters, digits, _ . @ : + - and /.',
    ],
    [
      'tenant',
      { models: ['openai/*', 'gpt-5'] },
      'models has "gpt-5", which no model is called: write provider/model or provider/*.',
    ],
  ];
  for (const [name, limits, problem] of cases)
    await expect(tenant.limit(name as 'tenant', limits), name).rejects.toThrow(problem);
  await tenant.limit(`run/${some}`, { costMicros: 5, dayRuns: 0, models: ['openai/gpt', 'local/*'] });
  await tenant.limit(`conversation/${some}`, { concurrentRuns: 1 });
  await tenant.limit('owner/user/ada+x@example.org', { dayRuns: 1 });
});

test('pools come in pages, and reading them changes nothing', async () => {
  const tenant = openTenant(store);
  for (const name of ['tenant', 'owner/one', 'owner/two'] as const) await tenant.limit(name, { tokens: 5 });
  const run = await tenant.run();
  await tenant.reserve(run, {}, { tokens: 5 });
  const dump = async () =>
    (
      await store.database.pool.query('select * from allowances where tenant_id = $1 order by id', [
        tenant.id,
      ])
    ).rows;
  const before = await dump();
  const page = await listAllowances(db, { tenantId: tenant.id, limit: 2 });
  const rest = await listAllowances(db, { tenantId: tenant.id, limit: 2, after: page[1]?.id ?? '' });
  expect([...page, ...rest].map(({ name }) => name)).toEqual(['tenant', 'owner/one', 'owner/two']);
  expect(await dump()).toEqual(before);
});
