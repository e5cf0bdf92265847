// Looking at allowances and what was used, and setting limits, against the real API.
import { expect, test } from 'vitest';
import { reserve, closeReservation } from '../../../../activities/store/allowances/allowances.ts';
import { storeOver } from '../../../support/store.ts';
import type { TestApp } from '../../../support/test-app.ts';
import { perdure, startApi } from '../captured.ts';

const rowsOf = (text: string): string[][] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => line.split(/ {2,}/));

async function use(api: TestApp, run: { id: string }): Promise<void> {
  const key = { tenantId: api.tenantId, runId: run.id, step: 1, attempt: 1 };
  const worst = { inputTokens: 12_000, outputTokens: 300, costMicros: 1_250_000 };
  await reserve(api.database.db, { ...key, model: 'openai/gpt', worst });
  await closeReservation(api.database.db, key, { ...worst, cachedInputTokens: 0, estimated: true });
  await reserve(api.database.db, { ...key, step: 2, model: 'openai/gpt', worst });
}

test('usage says what was used and what is only estimated, by whatever is asked for', async () => {
  const { api, call } = await startApi();
  const none = call('usage');
  expect([await none.code, none.out()]).toEqual([0, 'Nothing was used.\n']);
  const run = await storeOver('', api.database, api.log).started();
  const { id } = run;
  await use(api, run);
  const byRun = call('usage', '--by', 'run');
  expect(await byRun.code).toBe(0);
  expect(rowsOf(byRun.out())).toEqual([
    ['RUN', 'CALLS', 'TOKENS IN', 'CACHED', 'OUT', 'COST', 'ESTIMATED'],
    [id.slice(-8), '1', '12,000', '0', '300', '$1.25', '$1.25'],
    ['Held for calls under way, and not spent: $1.25.'],
  ]);
  // Its worker dies in the second step, of which the prompt and 300 tokens are all there can be.
  const { tenantId } = api;
  const [lost] = [{ tenantId, runId: id, step: 3, attempt: 1 }];
  const worst = { inputTokens: 10, outputTokens: 4000, costMicros: 4_100_000, promptCostMicros: 100_000 };
  await reserve(api.database.db, { ...lost, model: 'openai/gpt', worst });
  await reserve(api.database.db, { ...lost, step: 4, model: 'openai/gpt', worst });
  const byModel = call('usage', '--by', 'model');
  expect(await byModel.code).toBe(0);
  expect(byModel.out()).toContain(
    '\nUp to $2.00 more is possible: a worker died in a call, whose cost is estimated.\n',
  );
  const json = call('usage', '--by', 'project', '--json');
  expect([await json.code, JSON.parse(json.out())]).toMatchObject([
    0,
    { by: 'project', items: [{ key: null }] },
  ]);
  const wrong = call('usage', '--from', 'monday');
  expect([await wrong.code, wrong.err()]).toEqual([2, expect.stringContaining('from')]);
});

test('allowances are shown with what is used and held, and a limit is set by name, with a reason', async () => {
  const { api, call } = await startApi();
  await use(api, await storeOver('', api.database, api.log).started());
  const set = call(
    'allowances',
    'owner/ada',
    '--set',
    'dayRuns=3',
    '--set',
    'dayTokens=1000',
    '--reason',
    'Ada.',
  );
  expect([await set.code, set.err()]).toEqual([0, '']);
  const all = call('allowances');
  expect(await all.code).toBe(0);
  expect(rowsOf(all.out())).toEqual([
    ['NAME', 'MODEL', 'LIMIT', 'USED', 'HELD'],
    ['tenant', 'all', '$25.00 a day', '$1.25', '$1.25'],
    ['owner/ada', 'all', '3 runs a day', '0 runs', '-'],
    ['owner/ada', 'all', '1,000 tokens a day', '0 tokens', '0 tokens'],
  ]);
  const raised = call('allowances', 'tenant', '--set', 'dayCostMicros=0', '--reason', 'No limit.', '--json');
  expect([await raised.code, JSON.parse(raised.out())]).toMatchObject([
    0,
    { name: 'tenant', version: 2, limits: { dayCostMicros: 0 } },
  ]);
  const one = call('allowances', 'tenant');
  expect([await one.code, rowsOf(one.out())[1]]).toEqual([
    0,
    ['tenant', 'all', 'unlimited', '$1.25', '$1.25'],
  ]);
  const named = call('allowances', 'owner/ada', '--set', 'models=openai/*,local/x', '--reason', 'These.');
  expect([await named.code, rowsOf(named.out()).at(-1)]).toEqual([
    0,
    ['owner/ada', 'all', 'only openai/*, local/x', '-', '-'],
  ]);
  const any = call('allowances', 'owner/ada', '--set', 'models=', '--reason', 'Any.', '--json');
  expect([await any.code, JSON.parse(any.out()).limits]).toMatchObject([0, { models: [], dayRuns: 3 }]);
  const started = call('run', 'work', '--detach', '--owner', 'ada');
  expect(await started.code).toBe(0);
  const ada = call('allowances', 'owner/ada', '--json');
  expect([await ada.code, JSON.parse(ada.out()).items[0].used.dayRuns]).toEqual([0, 1]);
  const none = call('allowances', 'owner/bob');
  expect([await none.code, none.out()]).toEqual([0, 'There is no such allowance.\n']);
});

test('money is told in dollars, what is held apart from what is spent, on a terminal of 80 columns', async () => {
  const { api, environment } = await startApi();
  const run = await storeOver('', api.database, api.log).started();
  await use(api, run);
  await api.database.pool.query(
    `insert into model_calls (run_id, step, attempt, tenant_id, model, status, input_tokens, cached_input_tokens,
       output_tokens, cost_micros, priced, estimated)
     values ($1, 1, 1, $2, 'compatible/large', 'answered', 12000, 0, 300, 1250000, false, false)`,
    [run.id, api.tenantId],
  );
  await api.database.pool.query('update runs set cost_micros = 1250000 where id = $1', [run.id]);
  const shown = async (...args: string[]): Promise<string> => {
    const around = { environment: { ...environment, NO_COLOR: '1' }, isTerminal: true, columns: 80 };
    const called = perdure(args, around);
    expect([await called.code, called.err()]).toEqual([0, '']);
    return called.out();
  };
  expect(await shown('usage', '--by', 'model')).toBe(
    `MODEL       CALLS  TOKENS IN  CACHED  OUT  COST   ESTIMATED
openai/gpt  1      12,000     0       300  $1.25  $1.25
$1.25 of it is no bill: nobody knows the price of the model, so it is estimated
at a ceiling. PERDURE_PRICES gives prices, for calls from then on.
Held for calls under way, and not spent: $1.25.
`,
  );
  expect(
    await shown('allowances', 'tenant', '--day-cost', '50', '--cost', '400.5', '--reason', 'A week.'),
  ).toBe(
    `NAME    MODEL  LIMIT           USED   HELD
tenant  all    $400.50 in all  $1.25  $1.25
tenant  all    $50.00 a day    $1.25  $1.25
`,
  );
  // In whole words, on two lines of its column.
  expect(await shown('status')).toMatch(/\$1\.25 estimated at a ceiling, \$1\.25 .*\n +held\n/);
  expect(await shown('allowances', '--help')).not.toMatch(/micro-dollars/);
});

test('a change without a name, a reason, or of what is no limit is refused', async () => {
  const { call } = await startApi();
  for (const [args, problem] of [
    [['--set', 'dayRuns=1', '--reason', 'x'], 'Name the allowance'],
    [['tenant', '--set', 'dayRuns=1'], 'Say why with --reason'],
    [['tenant', '--day-cost', 'lots', '--reason', 'x'], 'amount in dollars'],
    [['--day-cost', '5', '--reason', 'x'], 'Name the allowance'],
    [['tenant', '--set', 'runs=1', '--reason', 'x'], 'There are runSeconds'],
    [['tenant', '--set', 'dayRuns=-1', '--reason', 'x'], 'whole number'],
    [['tenant', '--set', 'models=gpt-5', '--reason', 'x'], 'models has "gpt-5"'],
    [['mine', '--set', 'dayRuns=1', '--reason', 'x'], '"mine" is no pool'],
  ] as const) {
    const refused = call('allowances', ...args);
    expect([await refused.code, refused.err()]).toEqual([2, expect.stringContaining(problem)]);
  }
});
