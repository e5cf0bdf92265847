import { beforeEach, expect, test } from 'vitest';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import type { ApprovalView } from '../../workflows/contracts/approval.ts';
import { askForOwn, askForRoom } from '../support/allowances.ts';
import { awayFromMidnight } from '../support/midnight.ts';
import { storeOver } from '../support/store.ts';
import { createTestApp, type TestApp } from '../support/test-app.ts';
import { change, pool, start, use } from './spending.ts';

beforeEach(awayFromMidnight);

test('the first start gives the tenant 25 dollars a day, and whoever changes that is in ledger and audit', async () => {
  const api = await createTestApp();
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
  const nothing = { tokens: 0, costMicros: 0, dayTokens: 0, dayCostMicros: 0 };
  const first = await pool(api);
  expect(first).toEqual({
    id: expect.any(String),
    name: 'tenant',
    model: '',
    version: 1,
    limits: { ...unlimited, dayCostMicros: 25_000_000 },
    used: { ...nothing, concurrentRuns: 0, dayRuns: 0, hourCalls: 0 },
    held: nothing,
  });
  const limits = { dayCostMicros: 0, dayRuns: 9 };
  const changed = await change(api, { limits });
  const after = { ...first, version: 2, limits: { ...unlimited, dayRuns: 9 } };
  expect([changed.statusCode, changed.json()]).toEqual([200, after]);
  expect(await pool(api)).toEqual(after);
  const made = await change(api, {
    name: 'owner/ada',
    model: 'openai/*',
    limits: { costMicros: 5 },
    version: 0,
  });
  expect(made.json()).toMatchObject({ name: 'owner/ada', model: 'openai/*', version: 1 });
  const { items: ledger } = (await api.ask('GET', '/allowances/ledger?kind=limit')).json();
  expect(ledger.map(({ by, reason, pools }: Record<string, unknown>) => [by, reason, pools])).toEqual([
    ['first (api)', 'A test.', ['owner/ada']],
    ['first (api)', 'A test.', ['tenant']],
    ['first start', '25 dollars a day until somebody sets another limit.', ['tenant']],
  ]);
  expect(ledger[1].change).toEqual({ before: first.limits, after: after.limits });
  const { items: audit } = (await api.ask('GET', '/audit')).json();
  expect(audit.slice(0, 3)).toMatchObject([
    { actor: 'first (api)', action: 'allowance-create', reason: 'A test.' },
    {
      actor: 'first (api)',
      action: 'allowance-change',
      detail: { name: 'tenant', model: '', limits, version: 2 },
    },
    {
      actor: 'first start',
      action: 'allowance-create',
      reason: '25 dollars a day until somebody sets another limit.',
      detail: { name: 'tenant', model: '', limits: { dayCostMicros: 25_000_000 }, version: 1 },
    },
  ]);
});

test('a change that was not made on what is there, or that cannot be, changes nothing', async () => {
  const api = await createTestApp();
  const limits = { dayRuns: 1 };
  const refused = async (body: Record<string, unknown>) => {
    const answer = await change(api, { limits, ...body });
    return [answer.statusCode, answer.json().code, answer.json().detail];
  };
  expect(await refused({ version: 7 })).toEqual([
    409,
    'VersionStale',
    'The allowance tenant is at version 1; read it again before you change it.',
  ]);
  expect(await refused({ version: 0 })).toEqual([
    409,
    'VersionStale',
    'The allowance tenant is at version 1; read it again before you change it.',
  ]);
  expect(await refused({ name: 'owner/nobody' })).toEqual([
    409,
    'VersionStale',
    'There is no allowance owner/nobody for that model; send version 0 to make it.',
  ]);
  expect(await refused({ name: 'mine' })).toEqual([
    400,
    'InvalidInput',
    '"mine" is no pool: write tenant, conversation/<id>, run/<id>, owner/<anything> or executor/<name>.',
  ]);
  expect((await refused({ model: 'openai/*' }))[2]).toBe(
    "dayRuns limits runs; a pool of one model's calls cannot have it.",
  );
  expect((await refused({ limits: { dayRuns: -1 } }))[0]).toBe(400);
  expect((await refused({ limits: { dayRuns: 2 ** 53 } }))[0]).toBe(400);
  expect((await refused({ reason: '' }))[0]).toBe(400);
  expect((await pool(api)).version).toBe(1);
});

test('the version that a change is made to may come in If-Match', async () => {
  const api = await createTestApp();
  const body = { name: 'tenant', limits: { dayRuns: 7 }, reason: 'A test.' };
  const put = (ifMatch: string, more = {}) =>
    api.ask('PUT', '/allowances', { ...body, ...more }, { 'if-match': ifMatch });
  const codes: unknown[] = [];
  for (const each of ['"2"', '1', '*', 'W/"1"', '"1", "2"'])
    codes.push([each, (await put(each)).json().code, (await pool(api)).version]);
  expect(codes).toEqual([
    ['"2"', 'VersionStale', 1],
    ['1', 'InvalidInput', 1],
    ['*', 'InvalidInput', 1],
    ['W/"1"', 'InvalidInput', 1],
    ['"1", "2"', 'InvalidInput', 1],
  ]);
  expect((await put('"1"', { version: 2 })).json().code).toBe('InvalidInput');
  const taken = await put('"1"');
  expect([taken.statusCode, taken.json()]).toMatchObject([200, { version: 2, limits: { dayRuns: 7 } }]);
  expect((await put('"2"', { version: 2 })).json()).toMatchObject({ version: 3 });
  expect((await put('"0"', { name: 'owner/ada' })).json()).toMatchObject({ name: 'owner/ada', version: 1 });
});

test('one run more than the day has room for is refused until midnight, and that answer is not kept', async () => {
  const api = await createTestApp();
  await change(api, { name: 'owner/ada', version: 0, limits: { dayRuns: 1 } });
  const key = { 'idempotency-key': 'one' };
  expect((await start(api, { owner: 'ada' })).statusCode).toBe(202);
  const midnight = new Date();
  midnight.setUTCHours(24, 0, 0, 0);
  const secondsLeft = () => (midnight.getTime() - Date.now()) / 1000;
  const most = Math.ceil(secondsLeft());
  const refused = await start(api, { owner: 'ada' }, key);
  const least = secondsLeft();
  expect([refused.statusCode, refused.json()]).toEqual([
    429,
    expect.objectContaining({
      code: 'AllowanceExceeded',
      pool: 'owner/ada',
      limit: 'dayRuns',
      allowed: 1,
      used: 1,
      endsAt: midnight.toISOString(),
      detail: `The allowance owner/ada has room for 1 runs a day, and all of them are used until ${midnight.toISOString()}.`,
    }),
  ]);
  const wait = Number(refused.headers['retry-after']);
  expect([wait >= least, wait <= most]).toEqual([true, true]);
  expect((await start(api)).statusCode).toBe(202);
  await change(api, { name: 'owner/ada', version: 1, limits: { dayRuns: 2 } });
  expect((await start(api, { owner: 'ada' }, key)).statusCode).toBe(202);
  expect((await api.ask('GET', '/runs')).json().items).toHaveLength(3);
});

test('a run over what may run at once is queued and says why, until a run ends or the limit is raised', async () => {
  const api = await createTestApp();
  await change(api, { limits: { concurrentRuns: 1 } });
  const [one, two, three] = [await start(api), await start(api), await start(api)].map((answer) =>
    answer.json<{ id: string }>(),
  ) as [{ id: string }, { id: string }, { id: string }];
  expect(api.told).toEqual([`started ${one.id}`]);
  expect((await api.ask('GET', `/runs/${two.id}`)).json()).toMatchObject({
    status: 'queued',
    parked: false,
    reason: null,
    reasonText: 'It waits for a place: the allowance tenant has room for 1 at once.',
  });
  await api.ask('POST', `/runs/${one.id}/cancel`, {});
  expect(api.told.slice(1)).toEqual([`started ${two.id}`]);
  await change(api, { version: 2, limits: { concurrentRuns: 0 } });
  expect(api.told.slice(2)).toEqual([`started ${three.id}`]);
  expect((await pool(api)).used).toMatchObject({ concurrentRuns: 2, dayRuns: 3 });
});

test('a run is never longer than an allowance it draws from lets it be', async () => {
  const api = await createTestApp();
  await change(api, { limits: { runSeconds: 60 } });
  const limitsOf = async (limits: object) => {
    const { id } = (await start(api, { limits })).json();
    return (await api.ask('GET', `/runs/${id}`)).json().limits.seconds;
  };
  expect([await limitsOf({ seconds: 600 }), await limitsOf({ seconds: 6 })]).toEqual([60, 6]);
});

interface Waiting {
  api: TestApp;
  run: RunRow;
  approval: ApprovalView;
}

/** A run that asks for more, for itself or of the tenant's allowance. */
async function waiting(about: 'run' | 'tenant'): Promise<Waiting> {
  const api = await createTestApp();
  const store = storeOver('', api.database, api.log);
  const limits = { steps: 9, seconds: 60, costMicros: 1_500_000, tokens: 100_000 };
  const run = await store.started({ limits });
  if (about === 'tenant') await change(api, { limits: { costMicros: 100 } });
  if (about === 'run') await askForOwn(store, run);
  else await askForRoom(store, run, { costMicros: 700 });
  const { items } = (await api.ask('GET', `/approvals?runId=${run.id}`)).json<{ items: ApprovalView[] }>();
  if (!items[0]) throw new Error('It asks nothing.');
  return { api, run, approval: items[0] };
}

test('a run that has spent what it may is given more by a person who says how much', async () => {
  const { api, run, approval } = await waiting('run');
  expect(approval).toMatchObject({
    kind: 'limit',
    callId: null,
    limit: { name: 'costMicros', allowance: null },
    text:
      'This run may spend $1.50 and has spent $0.00. This does not pass by itself. ' +
      'May it spend more, and how many dollars?',
  });
  const approve = (input?: unknown) => api.ask('POST', `/approvals/${approval.id}/approve`, { input });
  const wrong = [
    { costMicros: 0 },
    { costMicros: Number.MAX_SAFE_INTEGER },
    { dollars: 0 },
    { dollars: '1' },
  ];
  for (const input of [undefined, {}, 'much', ...wrong])
    expect((await approve(input)).json()).toMatchObject({
      code: 'InvalidInput',
      detail: expect.stringContaining('Say how many dollars more'),
    });
  expect((await approve({ dollars: 0.5 })).json()).toMatchObject({ status: 'approved' });
  expect((await api.ask('GET', `/runs/${run.id}`)).json()).toMatchObject({
    status: 'running',
    limits: { costMicros: 2_000_000 },
  });
  expect(api.told).toEqual([`wake ${run.id}`]);
  const { items } = (await api.ask('GET', `/audit?runId=${run.id}`)).json();
  expect(items).toContainEqual(
    expect.objectContaining({
      actor: 'first (api)',
      action: 'run-limit',
      detail: { costMicros: { before: 1_500_000, after: 2_000_000 } },
    }),
  );
});

test('an allowance that is raised answers the runs that wait for it, in the name of who raised it', async () => {
  const { api, run, approval } = await waiting('tenant');
  expect(approval.limit).toEqual({ name: 'costMicros', allowance: 'tenant' });
  expect(approval.text).toBe(
    'The allowance tenant has $0.0001 in all: $0.00 are used, the next call may need $0.0007, and $0.0006 are ' +
      'missing. One such call is more than the allowance ever has, so this does not pass by itself. No answer ' +
      'here raises an allowance. A person with a token of this server can, and the run then goes on by itself: perdure ' +
      'allowances tenant --cost DOLLARS --reason WHY. Approve to try again without that.',
  );
  await change(api, { version: 2, limits: { dayRuns: 50 } });
  await change(api, { version: 3, limits: { costMicros: 90 } });
  expect(api.told).toEqual([]);
  await change(api, { version: 4, limits: { costMicros: 1000 }, reason: 'It is worth it.' });
  expect((await api.ask('GET', `/approvals/${approval.id}`)).json()).toMatchObject({
    status: 'approved',
    decidedBy: 'first (api)',
    note: 'It is worth it.',
  });
  expect((await api.ask('GET', `/runs/${run.id}`)).json().status).toBe('running');
  expect(api.told).toEqual([`wake ${run.id}`]);
  expect((await api.ask('POST', `/approvals/${approval.id}/deny`, {})).statusCode).toBe(409);
});

test('that an allowance is used up cannot be answered with money for the run, only with another try', async () => {
  const { api, run, approval } = await waiting('tenant');
  const approve = (input?: unknown) => api.ask('POST', `/approvals/${approval.id}/approve`, { input });
  expect((await approve({ costMicros: 10 })).json()).toMatchObject({
    code: 'InvalidInput',
    detail: expect.stringContaining('which no answer raises: approve without input to try again'),
  });
  expect((await approve()).json()).toMatchObject({ status: 'approved' });
  expect((await pool(api)).limits.costMicros).toBe(100);
  expect((await api.ask('GET', `/runs/${run.id}`)).json().limits.costMicros).toBe(1_500_000);
});

test('the account of a run that is cancelled is closed with it', async () => {
  const api = await createTestApp();
  const { id } = (await start(api)).json();
  await use(api, { id }, 1, 100);
  await api.ask('POST', `/runs/${id}/cancel`, {});
  const { items } = (await api.ask('GET', `/allowances/ledger?runId=${id}`)).json();
  expect(items[0]).toMatchObject({ kind: 'refund', tokens: 20, costMicros: 0, pools: ['tenant'] });
});
