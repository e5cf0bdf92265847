import { expect, test } from 'vitest';
import { v7 as uuid } from 'uuid';
import { registerExecutor } from '../../activities/store/runs/executors.ts';
import { lockDispatcher } from '../../activities/store/tasks/dispatchers.ts';
import { createTestApp, type TestApp } from '../support/test-app.ts';

const run = { project: null };
const mend = { title: 'Mend it', prompt: 'Round once.', run };

async function asked(api: TestApp, ...request: Parameters<TestApp['ask']>) {
  const { statusCode, payload } = await api.ask(...request);
  return [statusCode, payload === '' ? undefined : JSON.parse(payload)] as const;
}

test('a task is made, shown, listed, changed under its version and cancelled, and the dispatcher told each time', async () => {
  const api = await createTestApp();
  const [created, made] = await asked(api, 'POST', '/tasks', {
    ...mend,
    priority: 'medium',
    labels: ['gpu', 'gpu'],
  });
  expect([created, made]).toEqual([
    201,
    {
      id: expect.any(String),
      ...mend,
      priority: 'normal',
      labels: ['gpu'],
      files: [],
      acceptance: [],
      dependsOn: [],
      status: 'pending',
      progress: 0,
      note: null,
      retries: 3,
      attempts: 0,
      lastAttemptAt: null,
      reason: null,
      againAt: null,
      claim: 0,
      executorId: null,
      claimedAt: null,
      runId: null,
      version: 1,
      createdAt: expect.any(String),
      createdBy: 'first (api)',
      updatedAt: expect.any(String),
      endedAt: null,
    },
  ]);
  const path = `/tasks/${made.id}`;
  expect(await asked(api, 'GET', path)).toEqual([200, { ...made, claims: [] }]);
  expect(await asked(api, 'GET', '/tasks?label=gpu&priority=normal&status=pending')).toEqual([
    200,
    { items: [made], nextCursor: null },
  ]);
  expect(await asked(api, 'GET', '/tasks?label=arm')).toEqual([200, { items: [], nextCursor: null }]);
  const changed = await asked(api, 'PATCH', path, { priority: 'critical' }, { 'if-match': '"1"' });
  expect(changed).toMatchObject([200, { version: 2, priority: 'critical', title: 'Mend it' }]);
  expect(await asked(api, 'PATCH', path, { version: 1, title: 'Other' })).toMatchObject([
    409,
    { code: 'VersionStale', version: 2 },
  ]);
  expect(await asked(api, 'POST', `${path}/cancel`)).toMatchObject([
    200,
    { status: 'cancelled', reason: 'Cancelled by first (api).' },
  ]);
  expect(await asked(api, 'PATCH', path, { version: 3, title: 'Other' })).toMatchObject([
    409,
    { code: 'TaskNotOpen' },
  ]);
  // None has taken it up, so it is told to start each time.
  expect(api.told).toEqual(Array.from({ length: 3 }, () => 'dispatcher started'));
  const [, { items: events }] = await asked(api, 'GET', `${path}/events`);
  expect(events.map(({ type }: { type: string }) => type)).toEqual(['task-start', 'task-change', 'task-end']);
  expect((await api.ask('GET', `${path}/stream?after=3`)).statusCode).toBe(204);
});

test('a task waits for those it depends on, is skipped where one is not completed, and a circle is refused', async () => {
  const api = await createTestApp();
  const make = async (title: string, ...dependsOn: string[]) =>
    (await asked(api, 'POST', '/tasks', { ...mend, title, dependsOn }))[1];
  const statusOf = async ({ id }: { id: string }) => {
    const [, { status, reason }] = await asked(api, 'GET', `/tasks/${id}`);
    return [status, reason];
  };
  const first = await make('first');
  const second = await make('second', first.id);
  const third = await make('third', second.id);
  expect(second).toMatchObject({ status: 'blocked', dependsOn: [first.id] });
  expect(
    await asked(api, 'PATCH', `/tasks/${first.id}`, { version: 1, dependsOn: [third.id] }),
  ).toMatchObject([
    400,
    { fields: [{ path: 'dependsOn', problem: expect.stringContaining('would depend on each other') }] },
  ]);
  expect(await asked(api, 'POST', '/tasks', { ...mend, dependsOn: [api.tenantId] })).toMatchObject([400, {}]);
  await asked(api, 'POST', `/tasks/${first.id}/cancel`);
  expect(await Promise.all([second, third].map(statusOf))).toEqual([
    ['skipped', 'It depends on “first”, which was cancelled.'],
    ['skipped', 'It depends on “second”, which was skipped.'],
  ]);
  expect(await make('late', third.id)).toMatchObject({ status: 'skipped' });
});

test('an agent registers, pulls what fits it, tells of it and completes it, which gives the next its turn', async () => {
  const api = await createTestApp();
  const [registered, agent] = await asked(api, 'POST', '/executors', { name: 'box', capabilities: ['gpu'] });
  expect([registered, agent]).toMatchObject([201, { kind: 'agent', state: 'available', load: 0, places: 1 }]);
  const [, other] = await asked(api, 'POST', '/tasks', { ...mend, labels: ['arm'], priority: 'critical' });
  const [, task] = await asked(api, 'POST', '/tasks', { ...mend, labels: ['gpu'] });
  const [, next] = await asked(api, 'POST', '/tasks', { ...mend, dependsOn: [task.id] });
  expect(await asked(api, 'POST', `/tasks/${other.id}/claim`, { executorId: agent.id })).toMatchObject([
    409,
    { code: 'NoEligibleExecutor', detail: 'No executor fits: the nearest, box, lacks arm.' },
  ]);
  expect(await asked(api, 'POST', `/executors/${agent.id}/claim`)).toMatchObject([
    200,
    {
      task: {
        id: task.id,
        status: 'in_progress',
        claim: 1,
        executorId: agent.id,
        claims: [{ claim: 1, executor: 'box', runId: null, outcome: null }],
      },
    },
  ]);
  expect(await asked(api, 'POST', `/executors/${agent.id}/claim`)).toEqual([200, { task: null }]);
  expect(await asked(api, 'POST', `/executors/${agent.id}/heartbeat`)).toMatchObject([
    200,
    { state: 'busy', load: 1, holds: [{ taskId: task.id, claim: 1 }] },
  ]);
  expect(
    await asked(api, 'POST', `/tasks/${task.id}/progress`, { claim: 1, progress: 40, note: 'half' }),
  ).toMatchObject([200, { progress: 40, note: 'half' }]);
  expect(await asked(api, 'POST', `/tasks/${task.id}/complete`, { claim: 1 })).toMatchObject([
    200,
    { status: 'completed', progress: 100, claims: [{ outcome: 'completed' }] },
  ]);
  expect(await asked(api, 'GET', `/tasks/${next.id}`)).toMatchObject([200, { status: 'pending' }]);
  // Registered, three made, one taken and one completed; looking and progress tell it nothing.
  expect(api.told).toHaveLength(6);
});

test('a task that needs an executor keeps its name, which its successors have, and no agent pulls it', async () => {
  const api = await createTestApp();
  const worker = async (name: string, queue: string): Promise<string> => {
    const id = uuid();
    await registerExecutor(api.log.db, {
      ...{ id, tenantId: api.tenantId, host: 'a', pid: 1, startedTicks: '1', queues: [queue], capacity: {} },
      offers: { name, capabilities: [], sandboxes: ['bubblewrap'], places: 1, codeVersion: 'test' },
    });
    return id;
  };
  const [away, home] = [await worker('away', 'tools/away'), await worker('home', 'tools')];
  const add = async (executor: string) =>
    (await asked(api, 'POST', '/tasks', { ...mend, run: { ...run, executor } }))[1];
  const [there, here] = [await add(away), await add(home)];
  expect([there.run, here.run]).toEqual([
    { ...run, executor: 'away' },
    { ...run, executor: null },
  ]);
  const [, agent] = await asked(api, 'POST', '/executors', { name: 'visitor', places: 2 });
  expect(await asked(api, 'POST', `/executors/${agent.id}/claim`)).toMatchObject([
    200,
    { task: { id: here.id } },
  ]);
  expect(await asked(api, 'POST', `/executors/${agent.id}/claim`)).toEqual([200, { task: null }]);
});

test('what comes for a claim that counts no more is refused, told again as refused, and noted with the claim', async () => {
  const api = await createTestApp();
  const [, agent] = await asked(api, 'POST', '/executors', { name: 'box' });
  const [, task] = await asked(api, 'POST', '/tasks', mend);
  await asked(api, 'POST', `/tasks/${task.id}/claim`, { executorId: agent.id });
  expect(await asked(api, 'DELETE', `/executors/${agent.id}`)).toEqual([204, undefined]);
  expect(await asked(api, 'POST', `/executors/${agent.id}/heartbeat`)).toMatchObject([
    410,
    { code: 'ExecutorGone' },
  ]);
  const late = () =>
    asked(api, 'POST', `/tasks/${task.id}/complete`, { claim: 1 }, { 'idempotency-key': 'once' });
  const refused = [
    409,
    {
      code: 'ClaimLost',
      detail: `Claim 1 of task ${task.id} counts no more: it is pending. Stop working on it.`,
    },
  ];
  expect(await late()).toMatchObject(refused);
  expect(await late()).toMatchObject(refused);
  expect(await asked(api, 'GET', `/tasks/${task.id}`)).toMatchObject([
    200,
    {
      status: 'pending',
      attempts: 0,
      reason: 'Its executor box deregistered.',
      claims: [{ outcome: 'released', late: 'its completion' }],
    },
  ]);
  const [, { items: events }] = await asked(api, 'GET', `/tasks/${task.id}/events`);
  expect(events.map(({ type }: { type: string }) => type)).toEqual([
    'task-start',
    'task-claim',
    'task-release',
    'task-late',
  ]);
});

test('a task that failed as often as it may is a dead letter, and another takes its place when that is retried', async () => {
  const api = await createTestApp();
  const [, agent] = await asked(api, 'POST', '/executors', { name: 'box' });
  const [, task] = await asked(api, 'POST', '/tasks', { ...mend, retries: 1 });
  await asked(api, 'POST', `/tasks/${task.id}/claim`, { executorId: agent.id });
  expect(await asked(api, 'POST', `/tasks/${task.id}/fail`, { claim: 1, reason: 'No.' })).toMatchObject([
    200,
    { status: 'failed', attempts: 1, reason: 'max retries exceeded: No.' },
  ]);
  const [, { items }] = await asked(api, 'GET', '/dead-letters');
  expect(items).toMatchObject([
    {
      kind: 'task',
      taskId: task.id,
      runId: null,
      attempts: 1,
      reason: 'Task “Mend it”: max retries exceeded: No.',
    },
  ]);
  const [, retried] = await asked(api, 'POST', `/dead-letters/${items[0].id}/retry`);
  expect(retried).toMatchObject({ resolution: 'retried', retriedAs: expect.any(String) });
  expect(await asked(api, 'GET', `/tasks/${retried.retriedAs}`)).toMatchObject([
    200,
    { title: 'Mend it', status: 'pending', attempts: 0, retries: 1 },
  ]);
  const [, { items: all }] = await asked(api, 'GET', '/dead-letters?open=false');
  expect(all).toMatchObject([{ retriedAs: retried.retriedAs }]);
});

test('many failed tasks that are tried again at once wait for their turn, and take no connection from others', async () => {
  const api = await createTestApp();
  const [, agent] = await asked(api, 'POST', '/executors', { name: 'box', places: 24 });
  // More than there are connections.
  for (let made = 0; made < 24; made += 1) {
    const [, { id }] = await asked(api, 'POST', '/tasks', { ...mend, retries: 1 });
    await asked(api, 'POST', `/tasks/${id}/claim`, { executorId: agent.id });
    await asked(api, 'POST', `/tasks/${id}/fail`, { claim: 1, reason: 'No.' });
  }
  const [, { items: letters }] = await asked(api, 'GET', '/dead-letters?limit=100');
  const { entered, leave, left } = holdDispatcher(api);
  await entered;
  const retries = letters.map(({ id }: { id: string }) => asked(api, 'POST', `/dead-letters/${id}/retry`));
  // The others wait behind these in memory.
  await expect.poll(() => waitingForLocks(api)).toBe(4);
  expect((await asked(api, 'GET', '/tasks?limit=1'))[0]).toBe(200);
  leave();
  await left;
  const answers = (await Promise.all(retries)) as [number, { retriedAs: string }][];
  expect(answers.map(([status]) => status)).toEqual(Array.from({ length: 24 }, () => 200));
  expect(new Set(answers.map(([, { retriedAs }]) => retriedAs)).size).toBe(24);
});

test('64 agents that claim at once wait for their turn, take no connection from others, and each has one task', async () => {
  const api = await createTestApp();
  const agents: string[] = [];
  for (let made = 0; made < 64; made += 1) {
    const [, { id }] = await asked(api, 'POST', '/executors', { name: `agent-${made}` });
    agents.push(id);
    await asked(api, 'POST', '/tasks', mend);
  }
  const { entered, leave, left } = holdDispatcher(api);
  await entered;
  const claims = agents.map((id) => asked(api, 'POST', `/executors/${id}/claim`));
  // More of them than there are connections wait for the lock: with one each, none would be left for this.
  expect((await asked(api, 'GET', '/tasks?limit=1'))[0]).toBe(200);
  leave();
  await left;
  const answers = await Promise.all(claims);
  expect(answers.map(([status]) => status)).toEqual(agents.map(() => 200));
  expect(new Set(answers.map(([, { task }]) => task.id)).size).toBe(64);
  expect(answers.map(([, { task }]) => task.executorId)).toEqual(agents);
});

async function waitingForLocks({ database }: TestApp): Promise<number> {
  const { rows } = await database.pool.query<{ waiting: number }>(
    `select count(*)::int as waiting from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`,
  );
  return rows[0]?.waiting ?? 0;
}

function holdDispatcher({ log, tenantId }: TestApp) {
  const inside = Promise.withResolvers<void>();
  const over = Promise.withResolvers<void>();
  const left = log.write('test', async (write) => {
    await lockDispatcher(write, tenantId);
    inside.resolve();
    await over.promise;
  });
  return { entered: inside.promise, leave: over.resolve, left };
}
