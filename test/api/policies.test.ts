import { expect, test } from 'vitest';
import { createProfiles } from '../../activities/store/policy-scopes.ts';
import { reviewFor } from '../../activities/review.ts';
import type { ReviewedCall } from '../../activities/store/answers.ts';
import type { RunRow } from '../../activities/store/runs.ts';
import { createBackground } from '../../activities/tools/background.ts';
import { publicEgress } from '../../activities/tools/fetch.ts';
import { createTools } from '../../activities/tools/index.ts';
import type { PolicyProfile, PolicyView } from '../../workflows/contracts/policy.ts';
import { builtInProfiles, builtInVersion, findProfile } from '../../workflows/policy/presets.ts';
import { storeOver, type TestStore } from '../support/store.ts';
import { createTestApp, type TestApp } from '../support/test-app.ts';
import { startRun } from './streams.ts';

const own: PolicyProfile = {
  id: 'own',
  name: 'Own',
  description: 'Asks before commands.',
  mode: 'acceptEdits',
  rules: [
    { effect: 'execute', commands: ['rm **'], decision: 'deny', reason: 'nothing is removed' },
    { effect: 'execute', decision: 'ask' },
  ],
  limits: { steps: 5, seconds: 60, costMicros: 1000 },
  stall: null,
};

const tools = createTools({
  background: createBackground({ callIsAlive: () => false, killMarked: async () => undefined }),
  egress: publicEgress,
});

interface Facts {
  code?: string;
  detail?: string;
}

/** Status, code and sentence of what was refused. */
async function refusal(asked: ReturnType<TestApp['ask']>): Promise<[number, string?, string?]> {
  const answer = await asked;
  const { code, detail } = answer.json<Facts>();
  return [answer.statusCode, code, detail];
}

async function scopesOf(api: TestApp, body: object): Promise<RunRow['policy_scopes']> {
  const { id } = await startRun(api, body);
  return (await storeOver('', api.database, api.log).run(id)).policy_scopes;
}

/** What a run's commands would be told now. */
async function reviewed(
  api: TestApp,
  runId: string,
  step: number,
  ...commands: string[]
): Promise<ReviewedCall[]> {
  const { db } = api.database;
  const run = await storeOver('', api.database, api.log).run(runId);
  const calls = commands.map((command) => ({ id: 'p', name: 'shell', input: JSON.stringify({ command }) }));
  return reviewFor({ tools, db, profileOf: createProfiles(db) }, run, step, calls);
}

test('built-in profiles are listed, and can be neither changed nor deleted nor replaced', async () => {
  const api = await createTestApp();
  const { items } = (await api.ask('GET', '/policies')).json<{ items: PolicyView[] }>();
  expect(items.toSorted((one, other) => (one.id < other.id ? -1 : 1))).toEqual(
    builtInProfiles
      .map((profile) => ({ ...profile, version: builtInVersion, builtIn: true }))
      .toSorted((one, other) => (one.id < other.id ? -1 : 1)),
  );
  const profile = { ...own, id: 'plan-readonly' };
  expect([
    await refusal(api.ask('PUT', '/policies/plan-readonly', { version: 1, profile })),
    await refusal(api.ask('DELETE', '/policies/plan-readonly?version=1')),
    await refusal(api.ask('POST', '/policies', { profile })),
    await refusal(api.ask('POST', '/policies', { profile: { ...own, id: 'remembered' } })),
  ]).toEqual([
    [
      409,
      'PolicyBuiltIn',
      'The policy plan-readonly is built in and stays as it is; customise a copy of it.',
    ],
    [
      409,
      'PolicyBuiltIn',
      'The policy plan-readonly is built in and stays as it is; customise a copy of it.',
    ],
    [409, 'PolicyExists', 'There is a policy plan-readonly already, or was one; use another id.'],
    [400, 'InvalidInput', 'No policy can be called remembered; use another id.'],
  ]);
});

test('a profile of your own is kept in versions, and a change to a version that is no longer the newest is refused', async () => {
  const api = await createTestApp();
  const created = await api.ask('POST', '/policies', { profile: own });
  expect([created.statusCode, created.json()]).toEqual([201, { ...own, version: 1, builtIn: false }]);
  const changed = { ...own, name: 'Changed' };
  expect((await api.ask('PUT', '/policies/own', { version: 1, profile: changed })).json()).toEqual({
    ...changed,
    version: 2,
    builtIn: false,
  });
  const stale = await api.ask('PUT', '/policies/own', { version: 1, profile: own });
  expect([stale.statusCode, stale.json()]).toEqual([
    409,
    expect.objectContaining({ code: 'VersionStale', version: 2 }),
  ]);
  expect(
    await Promise.all(
      ['', '?version=1', '?version=2'].map(
        async (query) => (await api.ask('GET', `/policies/own${query}`)).json<PolicyView>().name,
      ),
    ),
  ).toEqual(['Changed', 'Own', 'Changed']);
  expect(await refusal(api.ask('GET', '/policies/own?version=3'))).toEqual([
    404,
    'NotFound',
    'There is no policy own in version 3.',
  ]);
  expect(
    await refusal(api.ask('PUT', '/policies/own', { version: 2, profile: { ...own, id: 'other' } })),
  ).toEqual([400, 'InvalidInput', 'The id of a profile stays: own, not other.']);
  expect((await api.ask('DELETE', '/policies/own?version=2')).statusCode).toBe(204);
  expect((await api.ask('GET', '/policies/own')).statusCode).toBe(404);
  // Its versions stay for the runs that began with them, and its id stays taken.
  expect((await api.ask('GET', '/policies/own?version=1')).statusCode).toBe(200);
  expect((await api.ask('POST', '/policies', { profile: own })).statusCode).toBe(409);
});

test('a profile whose example does not hold is refused with the rule, and a YAML file with the line', async () => {
  const api = await createTestApp();
  const [rule] = own.rules;
  const wrong = { ...own, rules: [{ ...rule, examples: { match: ['ls'] } }] };
  expect(await refusal(api.ask('POST', '/policies', { profile: wrong }))).toEqual([
    400,
    'InvalidInput',
    expect.stringMatching(/rule.*ls/is),
  ]);
  const file = (await api.ask('GET', '/policies/headless-safe-sandbox/yaml')).body;
  const yaml = file.replace('id: headless-safe-sandbox', 'id: from-a-file');
  expect((await api.ask('POST', '/policies', { yaml })).json()).toEqual({
    ...findProfile('headless-safe-sandbox'),
    id: 'from-a-file',
    version: 1,
    builtIn: false,
  });
  expect(
    await refusal(api.ask('POST', '/policies', { yaml: yaml.replace('\nmode: default', '\nmood: default') })),
  ).toEqual([400, 'InvalidInput', expect.stringMatching(/^Line \d+: /)]);
});

test('a copy of a profile can be changed, and applied to a project and everywhere', async () => {
  const api = await createTestApp();
  const copy = await api.ask('POST', '/policies/ask-everything/customise', { id: 'mine' });
  expect([copy.statusCode, copy.json()]).toEqual([
    201,
    {
      ...findProfile('ask-everything'),
      id: 'mine',
      name: 'Ask about everything (copy)',
      version: 1,
      builtIn: false,
    },
  ]);
  await api.ask('POST', '/policies', { profile: own });
  const project = { path: '/srv/shop' };
  const builtIn = (scope: string, id: string) => ({ scope, id, version: builtInVersion });
  expect(await scopesOf(api, { project })).toEqual([builtIn('run', 'headless-safe-sandbox')]);

  await api.ask('PUT', '/policies/place', { project: project.path, policy: 'own' });
  await api.ask('PUT', '/policies/place', { policy: 'mine' });
  const [ownRef, mineRef] = [
    { id: 'own', version: 1 },
    { id: 'mine', version: 1 },
  ];
  expect([
    await scopesOf(api, { project }),
    await scopesOf(api, {}),
    await scopesOf(api, { project, policy: 'plan-readonly' }),
    await scopesOf(api, { project, policy: 'mine' }),
  ]).toEqual([
    [
      { scope: 'run', ...ownRef },
      { scope: 'global', ...mineRef },
    ],
    [{ scope: 'run', ...mineRef }],
    [builtIn('run', 'plan-readonly'), { scope: 'project', ...ownRef }, { scope: 'global', ...mineRef }],
    [
      { scope: 'run', ...mineRef },
      { scope: 'project', ...ownRef },
    ],
  ]);
  expect(await refusal(api.ask('DELETE', '/policies/own?version=1'))).toEqual([
    409,
    'PolicyInUse',
    'The policy own applies in /srv/shop; take it from there first.',
  ]);
  await api.ask('PUT', '/policies/place', { project: project.path, policy: null });
  await api.ask('PUT', '/policies/place', { policy: null });
  expect(await scopesOf(api, { project })).toEqual([builtIn('run', 'headless-safe-sandbox')]);
  expect((await api.ask('DELETE', '/policies/own?version=1')).statusCode).toBe(204);
  expect((await api.ask('PUT', '/policies/place', { policy: 'own' })).statusCode).toBe(404);
});

test('a link to a project is no way around what applies to it', async () => {
  const api = await createTestApp({
    realPath: async (folder) => {
      if (folder === '/srv/gone') throw new Error('There is no such directory.');
      return folder.replace('/srv/link', '/srv/shop');
    },
  });
  await api.ask('POST', '/policies', { profile: own });
  await api.ask('PUT', '/policies/place', { project: '/srv/link', policy: 'own' });
  const expected = [{ scope: 'run', id: 'own', version: 1 }];
  expect(await scopesOf(api, { project: { path: '/srv/link' } })).toEqual(expected);
  expect(await scopesOf(api, { project: { path: '/srv/shop' } })).toEqual(expected);
  expect(await scopesOf(api, { project: { path: '/srv/gone' } })).toMatchObject([
    { id: 'headless-safe-sandbox' },
  ]);
});

test('a run goes on with the version it began with', async () => {
  const api = await createTestApp();
  await api.ask('POST', '/policies', { profile: own });
  const before = await startRun(api, { policy: 'own', attended: true });
  const strict = { ...own, rules: [{ effect: 'execute', decision: 'deny' }] };
  await api.ask('PUT', '/policies/own', { version: 1, profile: strict });
  const after = await startRun(api, { policy: 'own', attended: true });
  const decisions = await Promise.all(
    [before, after].map(async ({ id }) => {
      const [call] = await reviewed(api, id, 1, 'ls');
      return [call?.decision, call?.decided.profileVersion];
    }),
  );
  expect(decisions).toEqual([
    ['ask', 1],
    ['deny', 2],
  ]);
});

interface Asked {
  store: TestStore;
  run: RunRow;
  approvalOf(callId: string): Promise<string>;
}

/** A run under `own` that has asked about these commands, in one step. */
async function asked(api: TestApp, step: number, ...commands: string[]): Promise<Asked> {
  const store = storeOver('', api.database, api.log);
  const { id } = await startRun(api, { policy: 'own', attended: true, project: { path: '/srv/shop' } });
  await store.begin(await store.run(id));
  const run = await store.run(id);
  await store.step(run, step, { calls: await reviewed(api, id, step, ...commands) });
  return {
    store,
    run,
    async approvalOf(callId) {
      const { items } = (await api.ask('GET', `/approvals?runId=${id}`)).json<{
        items: { id: string; callId: string }[];
      }>();
      return items.find((item) => item.callId === callId)?.id ?? '';
    },
  };
}

const decisionsOf = (calls: ReviewedCall[]) => calls.map(({ decision }) => decision);

test('what was approved and remembered is not asked again, anything else is, and what is denied stays denied', async () => {
  const api = await createTestApp();
  await api.ask('POST', '/policies', { profile: own });
  const { run, approvalOf } = await asked(api, 1, 'npm ci');
  const remembers = { remember: { scope: 'project', days: 2 } };
  const answer = await api.ask('POST', `/approvals/${await approvalOf('1.0')}/approve`, remembers);
  expect(answer.statusCode, answer.body).toBe(200);

  const again = await reviewed(api, run.id, 2, 'npm ci', 'npm ci --force', 'npm ci; rm -r x', 'rm -r x');
  expect(decisionsOf(again)).toEqual(['allow', 'ask', 'deny', 'deny']);
  expect(again[0]).toMatchObject({
    rule: 'remembered: allow shell: npm ci',
    reason: 'a person allowed exactly this before',
  });
  const { items } = (await api.ask('GET', '/policies/remembered')).json<{
    items: { id: string; scope: string; key: string; by: string; expiresAt: string }[];
  }>();
  expect(items).toEqual([
    {
      id: expect.any(String),
      scope: 'project',
      key: '/srv/shop',
      rule: expect.objectContaining({ tool: 'shell', commands: ['npm ci'], decision: 'allow' }),
      expiresAt: expect.any(String),
      by: 'first (api)',
    },
  ]);
  const days = (Date.parse(items[0]?.expiresAt ?? '') - Date.now()) / 86_400_000;
  expect(days > 1.99 && days <= 2).toBe(true);
  // Another run of the project has it too, one without the project has not.
  const [same, elsewhere] = [
    await startRun(api, { policy: 'own', attended: true, project: { path: '/srv/shop' } }),
    await startRun(api, { policy: 'own', attended: true }),
  ];
  expect([
    ...decisionsOf(await reviewed(api, same.id, 1, 'npm ci')),
    ...decisionsOf(await reviewed(api, elsewhere.id, 1, 'npm ci')),
  ]).toEqual(['allow', 'ask']);

  expect((await api.ask('DELETE', `/policies/remembered/${items[0]?.id}`)).statusCode).toBe(204);
  expect(decisionsOf(await reviewed(api, run.id, 3, 'npm ci'))).toEqual(['ask']);
  expect((await api.ask('DELETE', `/policies/remembered/${items[0]?.id}`)).statusCode).toBe(404);
});

test('of other arguments that a person gave, those are remembered', async () => {
  const api = await createTestApp({
    reviewEdit: async (_run, _call, input) => ({
      input,
      inputHash: 'edited',
      subject: (input as { command: string }).command,
    }),
  });
  await api.ask('POST', '/policies', { profile: own });
  const { run, approvalOf } = await asked(api, 1, 'npm publish');
  await api.ask('POST', `/approvals/${await approvalOf('1.0')}/approve`, {
    input: { command: 'npm pack' },
    remember: { scope: 'run' },
  });
  expect(decisionsOf(await reviewed(api, run.id, 2, 'npm publish', 'npm pack'))).toEqual(['ask', 'allow']);
});

interface Audited {
  actor: string;
  action: string;
  runId: string | null;
  callId: string | null;
  rule: string;
  reason: string;
  detail: Record<string, unknown>;
}

test('the audit has every decision with who, by which rule and why, in pages, and nothing of it can be changed', async () => {
  const api = await createTestApp();
  await api.ask('POST', '/policies', { profile: own });
  const { run, approvalOf } = await asked(api, 1, 'npm ci', 'rm -r x', 'ls');
  await api.ask('POST', `/approvals/${await approvalOf('1.0')}/approve`, { remember: { scope: 'run' } });
  await api.ask('POST', `/approvals/${await approvalOf('1.2')}/deny`, { note: 'Not now.' });

  const pages: Audited[] = [];
  for (let cursor = ''; ; ) {
    const { items, nextCursor } = (await api.ask('GET', `/audit?runId=${run.id}&limit=2${cursor}`)).json<{
      items: Audited[];
      nextCursor: string | null;
    }>();
    pages.push(...items);
    if (nextCursor === null) break;
    cursor = `&cursor=${nextCursor}`;
  }
  const facts = pages.map(({ actor, action, callId, rule, reason }) => [actor, action, callId, rule, reason]);
  expect(facts.toReversed()).toEqual([
    ['policy own', 'call-ask', '1.0', 'own: ask execute', 'own asks about execute'],
    ['policy own', 'call-deny', '1.1', 'own: deny execute: rm **', 'nothing is removed'],
    ['policy own', 'call-ask', '1.2', 'own: ask execute', 'own asks about execute'],
    ['the agent', 'approval-request/call', '1.0', '', 'shell npm ci'],
    ['the agent', 'approval-request/call', '1.2', '', 'shell ls'],
    ['first (api)', 'approval-approved/call', '1.0', 'own: ask execute', ''],
    ['first (api)', 'approval-denied/call', '1.2', 'own: ask execute', 'Not now.'],
  ]);
  expect(pages.at(-1)?.detail).toEqual({
    tool: 'shell',
    effect: 'execute',
    subject: 'npm ci',
    scope: 'run',
    profileVersion: 1,
    ruleIndex: 1,
    original: 'ask',
  });
  const { items } = (await api.ask('GET', '/audit?limit=100')).json<{ items: Audited[] }>();
  const others = items.filter(({ runId }) => runId === null).map(({ actor, action }) => [actor, action]);
  expect(others).toEqual([
    ['first (api)', 'answer-remember'],
    ['first (api)', 'policy-create'],
  ]);
  for (const change of ['delete from audit', "update audit set actor = 'nobody'"])
    await expect(api.database.pool.query(change)).rejects.toThrow();
  expect((await api.ask('GET', '/audit?cursor=x')).statusCode).toBe(400);
});
