import { hostname } from 'node:os';
import { expect, test } from 'vitest';
import { v7 as uuid } from 'uuid';
import { aCall, anAttempt, executorId, lockedRun, openTestStore } from '../../../support/store.ts';
import {
  adoptToken,
  beginAttempt,
  endAttempt,
  endsOf,
  failAttempt,
  groupsBefore,
  groupsOf,
  markLost,
  type NewAttempt,
  noteProcessGroup,
  openAttemptsOf,
} from '../../../../activities/store/runs/attempts.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { Superseded } from '../../../../activities/store/log/events.ts';
import {
  beat,
  countBeating,
  endExecutor,
  liveExecutorsOn,
  registerExecutor,
} from '../../../../activities/store/runs/executors.ts';
import { lockRun } from '../../../../activities/store/runs/runs.ts';

const store = await openTestStore();
const { log, database } = store;
const { db } = database;

async function end(attempt: NewAttempt): Promise<void> {
  await log.write('test', async (write) =>
    endAttempt(write, await lockedRun(write, attempt.runId), attempt, 'answered'),
  );
}

function take(attempt: NewAttempt) {
  return log.write('test', async (write) => {
    const run = await lockRun(write, defaultTenant, attempt.runId);
    if (!run) throw new Error('There is no such run.');
    return beginAttempt(write, run, attempt);
  });
}

async function outcomes(runId: string) {
  const rows = await db
    .selectFrom('attempts')
    .select(['attempt', 'outcome'])
    .where('run_id', '=', runId)
    .orderBy('attempt')
    .execute();
  return rows.map(({ attempt, outcome }) => [attempt, outcome]);
}

async function executor(host: string): Promise<string> {
  const id = uuid();
  await registerExecutor(db, {
    id,
    tenantId: defaultTenant,
    host,
    pid: 1,
    startedTicks: '1',
    queues: ['wf'],
    capacity: { llm: 1 },
  });
  return id;
}

test('an attempt learns how many came before it and how many of those lost their worker', async () => {
  const run = await store.started();
  const unit = 'call/1.0';
  const [second, third] = [uuid(), uuid()];
  expect(await take(anAttempt(run, unit, 1))).toEqual({ earlier: 0, lost: 0 });
  await failAttempt(db, anAttempt(run, unit, 1), 'failed');
  expect(await take(anAttempt(run, unit, 2))).toEqual({ earlier: 1, lost: 0 });
  expect(await take(anAttempt(run, unit, 3, second))).toEqual({ earlier: 2, lost: 1 });
  expect(await take(anAttempt(run, unit, 7, third))).toEqual({ earlier: 3, lost: 2 });
  expect(await take(anAttempt(run, unit, 8, third)), 'the worker lives, its attempt failed').toEqual({
    earlier: 4,
    lost: 2,
  });
  expect(await outcomes(run.id)).toEqual([
    [1, 'failed'],
    [2, 'lost'],
    [3, 'lost'],
    [7, 'failed'],
    [8, null],
  ]);
});

test('what a living worker was at is superseded; it counts as lost once that worker has ended', async () => {
  const run = await store.started();
  const [slow, next, last] = [await executor('slow'), await executor('next'), await executor('last')];
  await take(anAttempt(run, 'model/1', 1, slow));
  expect(await take(anAttempt(run, 'model/1', 2, next))).toEqual({ earlier: 1, lost: 0 });
  await endExecutor(db, next);
  expect(await take(anAttempt(run, 'model/1', 3, last)), 'the second died').toEqual({ earlier: 2, lost: 1 });
  expect(await outcomes(run.id)).toEqual([
    [1, 'superseded'],
    [2, 'lost'],
    [3, null],
  ]);
  await endExecutor(db, slow);
  expect(await take(anAttempt(run, 'model/1', 4, last))).toEqual({ earlier: 3, lost: 2 });
});

test('only the attempts before this one that ended in the same way are told, in order', async () => {
  const run = await store.started();
  for (const [number, outcome] of [
    [1, 'failed'],
    [2, 'broken'],
    [3, 'failed'],
    [4, 'failed'],
  ] as const) {
    await take(anAttempt(run, 'model/1', number));
    await failAttempt(db, anAttempt(run, 'model/1', number), outcome);
  }
  const ends = await endsOf(db, anAttempt(run, 'model/1', 4), 'failed');
  expect(ends).toHaveLength(2);
  expect(ends).toEqual(ends.toSorted((one, other) => one.getTime() - other.getTime()));
  expect(await endsOf(db, anAttempt(run, 'model/1', 4), 'stopped')).toEqual([]);
});

test('whoever joins an attempt under way hands it its own token', async () => {
  const run = await store.started();
  const id = await executor('joined');
  await take(anAttempt(run, 'model/1', 1, id));
  const joining = anAttempt(run, 'model/1', 2, id);
  await adoptToken(db, joining);
  expect(await openAttemptsOf(db, id)).toMatchObject([{ attempt: 1, taskToken: joining.taskToken }]);
});

test('an attempt that comes after a newer one, or twice, is refused and writes nothing', async () => {
  const run = await store.started();
  await take(anAttempt(run, 'model/1', 3));
  await expect(take(anAttempt(run, 'model/1', 2))).rejects.toThrow(Superseded);
  await expect(take(anAttempt(run, 'model/1', 3))).rejects.toThrow(Superseded);
  expect(await outcomes(run.id)).toEqual([[3, null]]);
});

test('of attempts that begin at once the newest holds the fence', async () => {
  const run = await store.started();
  await Promise.allSettled([4, 2, 5, 1, 3].map((attempt) => take(anAttempt(run, 'model/1', attempt))));
  await expect(end(anAttempt(run, 'model/1', 4))).rejects.toThrow(Superseded);
  await end(anAttempt(run, 'model/1', 5));
});

// Whatever an older attempt does next, at whatever point the newer one took over, it is told so.
const points: [string, (old: NewAttempt) => Promise<unknown>][] = [
  [
    'appends',
    (old) =>
      log.append({
        tenantId: defaultTenant,
        stream: `run/${old.runId}`,
        conversationId: null,
        events: [],
        fence: old,
      }),
  ],
  ['ends', end],
  ['notes its process group', (old) => noteProcessGroup(db, old, { pgid: 7, startedTicks: 'now' })],
  ['stores its answer', (old) => store.answer(old)],
  ['opens its step again', (old) => store.open(old)],
];
for (const [what, act] of points) {
  test(`an older attempt that ${what} is superseded`, async () => {
    const run = await store.started();
    const [old, young] = [anAttempt(run, 'model/1', 1), anAttempt(run, 'model/1', 2)];
    await store.open(old);
    await store.open(young);
    const before = await store.events(run);
    await expect(act(old)).rejects.toThrow(Superseded);
    expect(await store.events(run)).toEqual(before);
    expect(await outcomes(run.id)).toEqual([
      [1, 'failed'],
      [2, null],
    ]);
    await store.answer(young);
  });
}

test('a worker that died leaves its open attempts with their tokens and process groups', async () => {
  const run = await store.started();
  const id = await executor('elsewhere');
  const ended = { ...anAttempt(run, 'model/1'), executorId: id };
  const executing = { ...anAttempt(run, 'call/1.0'), executorId: id };
  await take(ended);
  await end(ended);
  await take(executing);
  await noteProcessGroup(db, executing, { pgid: 4711, startedTicks: 'ticks' });
  await take(anAttempt(run, 'call/1.1'));
  expect(await openAttemptsOf(db, id)).toEqual([
    {
      runId: run.id,
      unit: 'call/1.0',
      attempt: 1,
      executorId: id,
      taskToken: executing.taskToken,
      group: { pgid: 4711, startedTicks: 'ticks' },
    },
  ]);
  await markLost(db, id);
  expect(await openAttemptsOf(db, id)).toEqual([]);
  expect(await openAttemptsOf(db, executorId)).not.toEqual([]);
});

test('a successor is told of every process group its predecessors left, and on which host', async () => {
  const run = await store.started();
  const [here, there] = [await executor('here'), await executor('there')];
  for (const [attempt, id] of [
    [1, here],
    [2, there],
    [3, here],
  ] as const) {
    const each = { ...anAttempt(run, 'call/1.0', attempt), executorId: id };
    await take(each);
    if (attempt < 3) await noteProcessGroup(db, each, { pgid: attempt, startedTicks: `t${attempt}` });
  }
  expect(await groupsBefore(db, anAttempt(run, 'call/1.0', 3))).toEqual([
    { host: 'here', group: { pgid: 1, startedTicks: 't1' } },
    { host: 'there', group: { pgid: 2, startedTicks: 't2' } },
  ]);
  expect(await groupsBefore(db, anAttempt(run, 'call/1.0', 1))).toEqual([]);
});

test('the groups of a dead worker are those of active runs, those of ended calls included', async () => {
  const id = await executor('gone');
  const run = await store.started();
  await store.step(run, 1, { calls: [aCall('1.0')] });
  const attempt = { ...anAttempt(run, 'call/1.0'), executorId: id };
  await store.claim(attempt);
  await noteProcessGroup(db, attempt, { pgid: 5, startedTicks: 't' });
  await store.record(attempt);
  expect(await groupsOf(db, id)).toEqual([{ key: `${run.id}/1.0`, group: { pgid: 5, startedTicks: 't' } }]);
  await store.end(run);
  expect(await groupsOf(db, id)).toEqual([]);
});

test('an executor beats until somebody declares it ended, and then it is told so', async () => {
  const host = `host-${uuid()}`;
  const [one, other] = [await executor(host), await executor(host)];
  expect(await beat(db, one)).toBe(true);
  expect((await liveExecutorsOn(db, host)).map(({ id }) => id).sort()).toEqual([one, other].sort());
  const before = await countBeating(db, 60_000);
  await endExecutor(db, one);
  expect(await beat(db, one)).toBe(false);
  expect((await liveExecutorsOn(db, host)).map(({ id }) => id)).toEqual([other]);
  expect(await countBeating(db, 60_000)).toBe(before - 1);
  expect(await countBeating(db, -60_000)).toBe(0);
  expect(await liveExecutorsOn(db, hostname())).toEqual([]);
});
