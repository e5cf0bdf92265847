import { mkdtemp, realpath, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { ReviewedCall } from '../../activities/store/calls/reviewed-calls.ts';
import type { BacktestView, EvaluateView } from '../../workflows/contracts/policy.ts';
import { createTestApp } from '../support/test-app.ts';
import { asked, askedIn, own, reviewed } from './asked.ts';
import { startRun } from './stream/streams.ts';

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
    rule: 'remembered: allow exactly shell: npm ci',
    reason: 'a person allowed exactly this before',
  });
  const { items } = (await api.ask('GET', '/remembered-answers')).json<{
    items: { id: string; scope: string; key: string; by: string; expiresAt: string }[];
  }>();
  expect(items).toEqual([
    {
      id: expect.any(String),
      scope: 'project',
      key: '/srv/shop',
      tool: 'shell',
      inputHash: again[0]?.inputHash,
      allows: 'the tool shell with exactly these arguments and no others: {"command":"npm ci"}',
      expiresAt: expect.any(String),
      by: 'first (api)',
    },
  ]);
  const days = (Date.parse(items[0]?.expiresAt ?? '') - Date.now()) / 86_400_000;
  expect(days > 1.99 && days <= 2).toBe(true);
  // Another run of the project has it too, one without the project has not.
  const [same, elsewhere] = [
    await startRun(api, { policy: 'own', attended: true, project: { path: '/srv/shop' }, workTree: 'own' }),
    await startRun(api, { policy: 'own', attended: true }),
  ];
  expect([
    ...decisionsOf(await reviewed(api, same.id, 1, 'npm ci')),
    ...decisionsOf(await reviewed(api, elsewhere.id, 1, 'npm ci')),
  ]).toEqual(['allow', 'ask']);

  expect((await api.ask('DELETE', `/remembered-answers/${items[0]?.id}`)).statusCode).toBe(204);
  expect(decisionsOf(await reviewed(api, run.id, 3, 'npm ci'))).toEqual(['ask']);
  expect((await api.ask('DELETE', `/remembered-answers/${items[0]?.id}`)).statusCode).toBe(404);
});

test('of other arguments that a person gave, those are remembered', async () => {
  const api = await createTestApp({
    reviewEdit: async (_queries, _run, _call, input) => ({
      input,
      inputHash: 'edited',
      subject: (input as { command: string }).command,
      timeoutSeconds: 60,
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

test('what is remembered for a project counts in it whatever link leads there', async () => {
  const api = await createTestApp({ realPath: (folder) => realpath(folder) });
  const folder = await realpath(await mkdtemp(path.join(tmpdir(), 'perdure-place-')));
  onTestFinished(() => rm(folder, { recursive: true }));
  const link = `${folder}/link`;
  await symlink(folder, link);
  await api.ask('POST', '/policies', { profile: own });
  const { run, approvalOf } = await askedIn(link, api, 1, 'npm ci');
  const answer = await api.ask('POST', `/approvals/${await approvalOf('1.0')}/approve`, {
    remember: { scope: 'project' },
  });
  expect(answer.statusCode, answer.body).toBe(200);
  const direct = await startRun(api, {
    ...{ policy: 'own', attended: true, workTree: 'own' },
    project: { path: folder },
  });
  expect([
    ...decisionsOf(await reviewed(api, run.id, 2, 'npm ci')),
    ...decisionsOf(await reviewed(api, direct.id, 1, 'npm ci')),
  ]).toEqual(['allow', 'allow']);
  const { items } = (await api.ask('GET', '/remembered-answers')).json<{ items: { key: string }[] }>();
  expect(items.map(({ key }) => key)).toEqual([folder]);
});

test('remembered answers are listed page by page, those that have expired are not', async () => {
  const api = await createTestApp();
  await api.ask('POST', '/policies', { profile: own });
  const { approvalOf } = await asked(api, 1, 'npm ci', 'npm test', 'npm publish');
  for (const callId of ['1.0', '1.1', '1.2']) {
    const remembers = { remember: { scope: 'global', days: 2 } };
    await api.ask('POST', `/approvals/${await approvalOf(callId)}/approve`, remembers);
  }
  await api.database.pool.query(
    "update remembered_answers set expires_at = now() where allows like '%npm test%'",
  );
  interface Page {
    items: { allows: string }[];
    nextCursor: string | null;
  }
  const first = (await api.ask('GET', '/remembered-answers?limit=1')).json<Page>();
  const second = (
    await api.ask('GET', `/remembered-answers?limit=1&cursor=${first.nextCursor}`)
  ).json<Page>();
  expect([...first.items, ...second.items].map(({ allows }) => allows)).toEqual([
    expect.stringContaining('npm publish'),
    expect.stringContaining('npm ci'),
  ]);
});

test('a preview and a back-test know what was remembered, as a review does', async () => {
  const api = await createTestApp();
  await api.ask('POST', '/policies', { profile: own });
  const { run, approvalOf } = await asked(api, 1, 'npm ci', 'npm publish');
  await api.ask('POST', `/approvals/${await approvalOf('1.0')}/approve`, { remember: { scope: 'project' } });
  await api.ask('POST', `/approvals/${await approvalOf('1.1')}/approve`, { remember: { scope: 'run' } });
  const call = (command: string) => ({ tool: 'shell', input: { command } });
  const previewed = async (project: object) => {
    const calls = [call('npm ci'), call('npm ci --force'), call('npm publish'), call('rm -r x')];
    const answer = await api.ask('POST', '/policies/evaluate', {
      ...{ policy: 'own', attended: true, calls },
      ...project,
    });
    return answer.json<EvaluateView>().items.map(({ decision }) => decision?.decision);
  };
  expect([await previewed({ project: { path: run.project_path } }), await previewed({})]).toEqual([
    ['allow', 'ask', 'ask', 'deny'],
    ['ask', 'ask', 'ask', 'deny'],
  ]);
  const { groups } = (await api.ask('POST', '/policies/backtest', { policy: 'own' })).json<BacktestView>();
  expect(groups.map(({ from, to, calls, ruleText }) => [from, to, calls, ruleText])).toEqual([
    ['ask', 'allow', 1, 'allow exactly shell: npm publish'],
    ['ask', 'allow', 1, 'allow exactly shell: npm ci'],
  ]);
});
