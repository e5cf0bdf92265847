import { expect, test } from 'vitest';
import type { BacktestView, EvaluateView, PolicyProfile } from '../../workflows/contracts/policy.ts';
import { aCall, storeOver } from '../support/store.ts';
import { createTestApp, type TestApp } from '../support/test-app.ts';

const draft: PolicyProfile = {
  id: 'draft',
  name: 'Draft',
  description: 'Asks before npm.',
  mode: 'default',
  rules: [
    { commands: ['npm **'], decision: 'ask' },
    { effect: 'execute', decision: 'allow' },
  ],
  limits: { steps: 5, seconds: 60, costMicros: 1000 },
  stall: null,
};

async function evaluated(api: TestApp, body: object): Promise<EvaluateView['items']> {
  const answer = await api.ask('POST', '/policies/evaluate', body);
  expect(answer.statusCode, answer.body).toBe(200);
  return answer.json<EvaluateView>().items;
}

const shell = (command: string) => ({ tool: 'shell', input: { command } });

test('a preview tells what would be decided, by which rule, why, and what the next rules would say', async () => {
  const api = await createTestApp();
  const items = await evaluated(api, {
    draft,
    attended: true,
    calls: [shell('npm ci'), { tool: 'read', input: { path: 'a' } }, { tool: 'fly', input: {} }, shell('')],
  });
  expect(items).toEqual([
    {
      tool: 'shell',
      subject: 'npm ci',
      runs: null,
      effect: 'execute',
      problem: null,
      decision: {
        ...{ scope: 'run', profileId: 'draft', profileVersion: 0, ruleIndex: 0 },
        ...{ ruleText: 'ask anything: npm **', decision: 'ask', original: 'ask', part: 'npm ci' },
        reason: 'draft asks about execute',
        next: [
          {
            ...{ scope: 'run', profileId: 'draft', profileVersion: 0, ruleIndex: 1 },
            ...{ ruleText: 'allow execute', decision: 'allow' },
          },
        ],
      },
    },
    expect.objectContaining({ decision: expect.objectContaining({ decision: 'ask', ruleIndex: null }) }),
    {
      tool: 'fly',
      subject: '',
      runs: null,
      effect: null,
      problem: 'There is no tool "fly".',
      decision: null,
    },
    {
      tool: 'shell',
      subject: '',
      runs: null,
      effect: null,
      problem: expect.stringContaining('do not fit shell'),
      decision: null,
    },
  ]);
});

test('a preview tells what would run in place of a command that a rule about commands allows', async () => {
  const api = await createTestApp();
  const calls = ['npm  test', 'npm test', 'rm  a'].map(shell);
  expect((await evaluated(api, { calls })).map(({ runs }) => runs)).toEqual(['npm test', null, null]);
});

test('without a policy it is what a new run would get, mode and people as they are said to be', async () => {
  const api = await createTestApp();
  const calls = [shell('npm test'), shell('rm a'), { tool: 'write', input: { path: 'a', content: '' } }];
  const decisions = async (body: object) =>
    (await evaluated(api, { ...body, calls })).map(
      ({ decision }) => `${decision?.decision} ${decision?.scope} ${decision?.profileId}`,
    );
  const safe = 'run headless-safe-sandbox';
  expect(await decisions({})).toEqual([`allow ${safe}`, `deny ${safe}`, `allow ${safe}`]);
  expect(await decisions({ mode: 'plan' })).toEqual([`deny ${safe}`, `deny ${safe}`, `deny ${safe}`]);
  expect(await decisions({ attended: true })).toEqual(calls.map(() => 'ask run ask-before-changes'));
  await api.ask('PUT', '/policies/place', { project: '/srv/shop', policy: 'ask-everything' });
  const asks = 'run ask-everything';
  expect(await decisions({ project: { path: '/srv/shop' }, attended: true })).toEqual(
    calls.map(() => `ask ${asks}`),
  );
  // A draft stands nearest, and what applies to the project stands behind it.
  expect(await decisions({ project: { path: '/srv/shop' }, attended: true, draft })).toEqual([
    'ask run draft',
    'allow run draft',
    'ask project ask-everything',
  ]);
});

test('a draft with a wrong example, two policies at once and a policy there is not are refused', async () => {
  const api = await createTestApp();
  const calls = [shell('ls')];
  const wrong = { ...draft, rules: [{ commands: ['npm **'], decision: 'ask', examples: { match: ['ls'] } }] };
  for (const [path, rest] of [
    ['/policies/evaluate', { calls }],
    ['/policies/backtest', {}],
  ] as const) {
    const codes = [];
    for (const choice of [{ draft: wrong }, { draft, policy: 'plan-readonly' }]) {
      const answer = await api.ask('POST', path, { ...choice, ...rest });
      codes.push([answer.statusCode, answer.json().code]);
    }
    expect(codes).toEqual([
      [400, 'InvalidInput'],
      [400, 'InvalidInput'],
    ]);
  }
  expect((await api.ask('POST', '/policies/evaluate', { policy: 'no-such', calls })).json().code).toBe(
    'UnknownPolicy',
  );
});

test('between the calls of a preview others have their turn', async () => {
  let turn = 0;
  let ticking = true;
  const tick = (): void => {
    turn += 1;
    if (ticking) setImmediate(tick);
  };
  const turns: number[] = [];
  const api = await createTestApp({
    describeCall: ({ tool }) => {
      turns.push(turn);
      return { tool, effect: 'read', subject: 'a', inputHash: '' };
    },
  });
  tick();
  await evaluated(api, { draft, calls: Array.from({ length: 20 }, () => shell('ls')) });
  ticking = false;
  expect(new Set(turns).size).toBe(20);
});

const decided = {
  ...{ scope: 'run' as const, profileId: 'p', profileVersion: 1, ruleIndex: 0, ruleText: 'allow anything' },
  ...{ reason: 'allowed', part: '', decision: 'allow' as const, original: 'allow' as const },
  ...{ projectRoot: null, mode: null, attended: true },
};

test('a back-test decides the calls of the last days again, in pages, and groups what would be otherwise', async () => {
  const api = await createTestApp();
  const store = storeOver('', api.database, api.log);
  const run = await store.started({ attended: true });
  // More than a page of them.
  for (let step = 1; step <= 11; step += 1) {
    const calls = Array.from({ length: 60 }, (_, index) =>
      aCall(`${step}.${index}`, { subject: index % 2 === 0 ? 'npm ci' : 'ls', decided }),
    );
    await store.step(run, step, { calls });
  }
  const last = [
    aCall('12.0', {
      tool: 'mine',
      effect: null,
      decision: 'ask',
      asks: { kind: 'result', text: 'x', choices: [] },
    }),
    aCall('12.1', {
      subject: 'ls',
      decided: { ...decided, decision: 'deny', original: 'deny' },
      decision: 'deny',
    }),
  ];
  await store.step(run, 12, { calls: last });
  const test = async (body: object) => {
    const answer = await api.ask('POST', '/policies/backtest', body);
    expect(answer.statusCode, answer.body).toBe(200);
    return answer.json<BacktestView>();
  };
  const result = await test({ draft });
  expect(result).toEqual({
    calls: 661,
    changed: 331,
    skipped: 1,
    truncated: false,
    since: expect.any(String),
    groups: [
      {
        ...{ tool: 'shell', effect: 'execute', from: 'allow', to: 'ask', ruleIndex: 0, calls: 330 },
        ...{ ruleText: 'ask anything: npm **', reason: 'draft asks about execute' },
        examples: expect.arrayContaining([{ runId: run.id, callId: expect.any(String), subject: 'npm ci' }]),
      },
      {
        ...{ tool: 'shell', effect: 'execute', from: 'deny', to: 'allow', ruleIndex: 1, calls: 1 },
        ...{ ruleText: 'allow execute', reason: 'draft allows execute' },
        examples: [{ runId: run.id, callId: '12.1', subject: 'ls' }],
      },
    ],
  });
  // Nothing was changed by looking.
  expect(await test({ draft })).toMatchObject({ calls: 661, changed: 331 });
  expect((await test({ policy: 'trusted-mount-autonomous', days: 1 })).groups).toMatchObject([
    { from: 'deny', to: 'allow', calls: 1 },
  ]);
});

test('calls of runs that were accepted before the time in question are left out', async () => {
  const api = await createTestApp();
  const store = storeOver('', api.database, api.log);
  const run = await store.started();
  await store.step(run, 1, { calls: [aCall('1.0', { decided })] });
  const old = `0${(Date.now() - 3 * 86_400_000).toString(16)}`.slice(-12);
  const oldId = `${old.slice(0, 8)}-${old.slice(8)}-7000-8000-000000000001`;
  // A run as old as that, with a copy of the call.
  const copied = (table: string, changes: object) =>
    api.database.pool.query(
      `insert into ${table} select (jsonb_populate_record(${table}, $1)).* from ${table}`,
      [JSON.stringify(changes)],
    );
  await copied('runs', { id: oldId, status: 'succeeded', message_id: 'old' });
  await copied('calls', { run_id: oldId });
  const count = async (days: number) =>
    (await api.ask('POST', '/policies/backtest', { draft, days })).json<BacktestView>().calls;
  expect([await count(2), await count(4)]).toEqual([1, 2]);
});
