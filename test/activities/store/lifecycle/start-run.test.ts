import { beforeAll, expect, test } from 'vitest';
import { changeLimits } from '../../../../activities/store/allowances/change-limits.ts';
import { holdPools } from '../../../../activities/store/allowances/run-places.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import type { Accepted } from '../../../../activities/store/lifecycle/accept-run.ts';
import { type StartNeeds, startRun } from '../../../../activities/store/lifecycle/start-run.ts';
import { listAudit } from '../../../../activities/store/access/audit.ts';
import { createPolicy, ensureBuiltIns } from '../../../../activities/store/policies/policies.ts';
import { applyPolicy } from '../../../../activities/store/policies/policy-scopes.ts';
import { toRunViews } from '../../../../activities/store/allowances/run-money.ts';
import { overBudgetOf } from '../../../../activities/store/runs/runs.ts';
import type { Sources } from '../../../../workflows/contracts/configuration.ts';
import type { PolicyProfile } from '../../../../workflows/contracts/policy.ts';
import type { ExecMode, StartRunBody } from '../../../../workflows/contracts/run.ts';
import {
  builtInVersion,
  defaultProfile,
  findProfile,
  toRunLimits,
} from '../../../../workflows/policy/presets.ts';
import { startNeeds } from '../../../support/start-needs.ts';
import { openTestStore } from '../../../support/store.ts';

const store = await openTestStore();
const { log, database } = store;
const starter = { tenantId: defaultTenant, by: 'a schedule', requestId: 'tick-1' };

beforeAll(() => ensureBuiltIns(database.db, defaultTenant));

function start(wanted: StartRunBody, needs: Partial<StartNeeds> = {}): Promise<Accepted> {
  return log.write('test', (write) => startRun(write, { ...startNeeds, ...needs }, starter, wanted));
}

test('what a request leaves open is decided, and the run keeps it', async () => {
  const { run, became } = await start(
    { prompt: 'My key is k-123.' },
    {
      redact: (text) => text.replace('k-123', '[secret]'),
    },
  );
  const profile = findProfile(defaultProfile);
  if (!profile) throw new Error('The default policy is gone.');
  expect(became).toBe('started');
  expect(run).toMatchObject({
    prompt: 'My key is [secret].',
    model: 'scripted/hello',
    policy: defaultProfile,
    policy_scopes: [{ scope: 'run', id: defaultProfile, version: builtInVersion }],
    limits: toRunLimits(profile),
    stall: profile.stall,
    attended: false,
    accepted_by: 'a schedule',
    request_id: 'tick-1',
  });
});

test('what a request names is kept, and the policies of its project come behind its own', async () => {
  const change = { tenantId: defaultTenant, by: 'test' };
  await log.write('test', (write) =>
    applyPolicy(write, { scope: 'project', key: '/real/shop' }, 'ask-everything', change),
  );
  const { run } = await start(
    { prompt: 'Go.', policy: 'trusted-mount-autonomous', project: { path: '/link' }, limits: { steps: 3 } },
    { realPath: async () => '/real/shop' },
  );
  expect(run).toMatchObject({
    project_path: '/real/shop',
    limits: { steps: 3 },
    policy_scopes: [
      { scope: 'run', id: 'trusted-mount-autonomous' },
      { scope: 'project', id: 'ask-everything' },
    ],
  });
});

test.each([
  ['a model there is not', { model: 'nobody/none' }, {}, 'UnknownModel'],
  ['a policy there is not', { policy: 'none' }, {}, 'UnknownPolicy'],
  ['tools that cannot be offered', {}, { externalToolsProblem: () => 'Two of one name.' }, 'InvalidInput'],
  ['a conversation there is not', { conversationId: defaultTenant }, {}, 'NotFound'],
])('%s is refused', async (_what, wanted, needs, code) => {
  await expect(start({ prompt: 'Go.', ...wanted }, needs)).rejects.toMatchObject({ code });
});

const permissive = 'headless-permissive-sandbox';
const contained = {
  mode: 'bubblewrap' as const,
  contains: { files: true, network: true, processes: true },
  reach: 'its files',
  problem: null,
};

test('what requires containment is refused in mount, whichever profile of the run it is', async () => {
  const change = { tenantId: defaultTenant, by: 'test' };
  const byRules = {
    ...findProfile('ask-everything'),
    id: 'open',
    mode: 'delegate',
    rules: [],
  } as PolicyProfile;
  await log.write('test', async (write) => {
    await createPolicy(write, byRules, change);
    // As it was stored before profiles had to say so.
    await write.tx
      .updateTable('policy_versions')
      .set({ profile: JSON.stringify(byRules) })
      .where('policy_id', '=', 'open')
      .execute();
    await applyPolicy(write, { scope: 'project', key: '/srv/open' }, permissive, change);
  });
  const refusals = [
    [{ policy: permissive }, [permissive]],
    [{ policy: 'open' }, ['open']],
    [{ project: { path: '/srv/open' } }, [permissive]],
    [{ policy: defaultProfile, project: { path: '/srv/open' } }, [permissive]],
    [{ policy: 'open', project: { path: '/srv/open' } }, ['open', permissive]],
  ] as const;
  for (const [wanted, policies] of refusals) {
    await expect(start({ prompt: 'Go.', ...wanted })).rejects.toMatchObject({
      code: 'ContainmentRequired',
      message: expect.stringMatching(
        /^The policy .* requires .* mount contains nothing; .* --accept-no-containment/,
      ),
      extra: { policies, sandbox: 'mount' },
    });
    const { became, run } = await start({ prompt: 'Go.', ...wanted }, { sandbox: async () => contained });
    expect(became).toBe('started');
    await store.end(run, { status: 'cancelled' });
  }
  await expect(
    start({ prompt: 'Go.', project: { path: '/srv/open' }, policy: 'plan-readonly' }),
  ).rejects.toThrow(
    `The policy ${permissive}, which applies to the project, requires a sandbox that contains: `,
  );
  expect((await start({ prompt: 'Go.', policy: 'trusted-mount-autonomous' })).became).toBe('started');
  const { contains } = contained;
  const halfway = { ...contained, contains: { ...contains, network: false } };
  await expect(
    start({ prompt: 'Go.', policy: permissive }, { sandbox: async () => halfway }),
  ).rejects.toMatchObject({
    code: 'ContainmentRequired',
  });
});

test('that a run needs no containment is accepted for that run alone, and kept with it', async () => {
  const { run } = await start({ prompt: 'Go.', policy: permissive, acceptNoContainment: true });
  expect(await toRunViews(database.db, [run])).toMatchObject([
    { policy: permissive, acceptNoContainment: true },
  ]);
  expect((await store.events(run))[0]).toMatchObject({ payload: { acceptNoContainment: true } });
  expect(await listAudit(database.db, { tenantId: defaultTenant, runId: run.id, limit: 10 })).toMatchObject([
    { actor: 'a schedule', action: 'accept-no-containment', rule: permissive },
  ]);
  const next = { prompt: 'And?', conversationId: run.conversation_id, policy: permissive };
  // A word into the run there is makes no other run; the next one has to say it again.
  expect(await start({ ...next, whenBusy: 'steer' })).toMatchObject({
    became: 'steered',
    run: { id: run.id },
  });
  await expect(start({ ...next, whenBusy: 'queue' })).rejects.toMatchObject({ code: 'ContainmentRequired' });
});

test('a run draws from its owner’s pool, and so do those that follow it and the try that asks it again', async () => {
  const change = {
    tenantId: defaultTenant,
    name: 'owner/ada' as const,
    model: '',
    limits: { dayRuns: 3 },
    version: 0,
  };
  await database.db
    .transaction()
    .execute((tx) => changeLimits(tx, { ...change, by: 'test', reason: 'a test' }));
  const { run } = await start({ prompt: 'Go.', owner: 'ada' });
  const next = { prompt: 'And?', conversationId: run.conversation_id, whenBusy: 'queue' } as const;
  expect((await start(next)).run).toMatchObject({ owner: 'ada', sources: { owner: 'conversation' } });
  const again = await log.write('test', async (write) => {
    const held = await holdPools(write.tx, { tenantId: defaultTenant, others: ['owner/ada'] });
    return startRun(write, startNeeds, starter, next, { again: { run, held } });
  });
  expect(again.run).toMatchObject({ owner: 'ada', sources: { owner: 'run' } });
  await expect(start(next)).rejects.toMatchObject({ code: 'AllowanceExceeded' });
});

test('over its budget an attended run pauses and another fails, unless its request or the run before says otherwise', async () => {
  const overBudget = ({ run }: Accepted) => overBudgetOf(run);
  const first = await start({ prompt: 'Go.', attended: true });
  const next = { prompt: 'And?', conversationId: first.run.conversation_id, whenBusy: 'queue' } as const;
  const told = [
    first,
    await start({ ...next, attended: false }),
    await start({ ...next, overBudget: 'pause' }),
    await start(next),
    await start({ ...next, attended: true, overBudget: 'fail' }),
    await start(next),
  ];
  expect(told.map(overBudget)).toEqual(['pause', 'fail', 'pause', 'pause', 'fail', 'fail']);
});

test('a kind of sandbox that cannot be used here is refused with what to do, and stands for the follow-up', async () => {
  const problem = 'There is no bubblewrap on this machine. Install it.';
  const broken = async () => ({ ...contained, problem });
  await expect(start({ prompt: 'Go.', execMode: 'bubblewrap' }, { sandbox: broken })).rejects.toMatchObject({
    code: 'SandboxUnavailable',
    message: problem,
  });
  const asked: string[] = [];
  const sandbox = async (mode: ExecMode) => {
    asked.push(mode);
    return { ...contained, mode };
  };
  const { run } = await start({ prompt: 'Go.', execMode: 'bubblewrap' }, { sandbox });
  await store.end(await store.begin(run).then(() => store.run(run.id)));
  const next = await start({ prompt: 'And?', conversationId: run.conversation_id }, { sandbox });
  expect([asked, run.exec_mode, next.run.exec_mode]).toEqual([
    ['bubblewrap', 'bubblewrap'],
    'bubblewrap',
    'bubblewrap',
  ]);
});

test('a run that says nothing of it is contained where that is possible, unless a person answers or wants it in place', async () => {
  const project = { project: { path: '/srv/shop' } };
  const said: [usual: ExecMode | undefined, wanted: Partial<StartRunBody>][] = [
    ['sandbox', project],
    ['sandbox', {}],
    ['bubblewrap', project],
    [undefined, project],
    ['sandbox', { ...project, attended: true }],
    ['sandbox', { ...project, workTree: 'in-place' }],
    ['sandbox', { ...project, policy: 'trusted-mount-autonomous' }],
    ['sandbox', { ...project, execMode: 'bubblewrap', workTree: 'own' }],
    ['bubblewrap', { ...project, execMode: 'sandbox', attended: true }],
    ['bubblewrap', { ...project, execMode: 'sandbox', workTree: 'in-place' }],
    ['bubblewrap', { ...project, execMode: 'hybrid', attended: true }],
  ];
  const got = [];
  for (const [mode, wanted] of said) {
    const { run } = await start(
      { prompt: 'Go.', ...wanted },
      {
        bestSandbox: async () => mode && { ...contained, mode },
        sandbox: async (asked) => ({ ...contained, mode: asked }),
      },
    );
    const { execMode, workTree } = run.sources as unknown as Sources;
    got.push([run.exec_mode, execMode, run.work_tree, workTree]);
    await store.end(await store.begin(run).then(() => store.run(run.id)));
  }
  expect(got).toEqual([
    ['sandbox', 'instance', 'own', 'instance'],
    ['sandbox', 'instance', 'in-place', 'instance'],
    ['bubblewrap', 'instance', 'in-place', 'instance'],
    ['mount', 'instance', 'in-place', 'instance'],
    ['mount', 'instance', 'in-place', 'instance'],
    ['mount', 'instance', 'in-place', 'request'],
    ['mount', 'instance', 'in-place', 'instance'],
    ['bubblewrap', 'request', 'own', 'request'],
    ['sandbox', 'request', 'own', 'instance'],
    ['sandbox', 'request', 'in-place', 'request'],
    ['bubblewrap', 'request', 'own', 'instance'],
  ]);
});

test('a setting keeps unattended runs in mount', async () => {
  const needs = { bestSandbox: async () => contained, containsUnattended: false };
  expect((await start({ prompt: 'Go.' }, needs)).run.exec_mode).toBe('mount');
});

test('hybrid stands for the follow-up, works on a copy only, and needs a kind that contains', async () => {
  const needs = { bestSandbox: async () => contained };
  const hybrid = { prompt: 'Go.', project: { path: '/srv/hybrid' }, execMode: 'hybrid' } as const;
  await expect(start(hybrid)).rejects.toMatchObject({ code: 'SandboxUnavailable' });
  await expect(start({ ...hybrid, workTree: 'in-place' }, needs)).rejects.toMatchObject({
    code: 'InvalidInput',
    message: 'hybrid works on a copy of the project: leave workTree out, or say own.',
  });
  const { run } = await start(hybrid, needs);
  await store.end(await store.begin(run).then(() => store.run(run.id)));
  const { conversation_id: conversationId } = run;
  const { run: next } = await start({ prompt: 'And?', conversationId }, needs);
  await store.end(await store.begin(next).then(() => store.run(next.id)));
  const { run: other } = await start(
    { prompt: 'And?', conversationId, execMode: 'bubblewrap' },
    {
      sandbox: async () => contained,
    },
  );
  const how = [run, next, other].map((each) => [each.brings_home, each.exec_mode, each.work_tree]);
  expect(how).toEqual([
    [true, 'bubblewrap', 'own'],
    [true, 'bubblewrap', 'own'],
    [false, 'bubblewrap', 'own'],
  ]);
});
