import { hostname } from 'node:os';
import { expect, test } from 'vitest';
import { v7 as uuid } from 'uuid';
import { aCall, anAttempt, executorId, lockedRun, openTestStore } from '../../../support/store.ts';
import {
  adoptToken,
  type AttemptRef,
  beginAttempt,
  endAttempt,
  endsOf,
  failAttempt,
  handlesLeftBy,
  handlesOf,
  markLost,
  type NewAttempt,
  noteHandle,
  openAttemptsOf,
} from '../../../../activities/store/runs/attempts.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { handOver } from '../../../../activities/store/lifecycle/begin-run.ts';
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

async function end(attempt: AttemptRef): Promise<void> {
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
  const once = { refused: 0, resumes: false };
  const [second, third] = [uuid(), uuid()];
  const ref = (attempt: number) => ({ runId: run.id, unit, attempt });
  expect(await take(anAttempt(run, unit, 1))).toEqual({
    ref: ref(1),
    earlier: 0,
    lost: 0,
    ...once,
  });
  await failAttempt(db, anAttempt(run, unit, 1), 'failed');
  expect(await take(anAttempt(run, unit, 2))).toEqual({
    ref: ref(2),
    earlier: 1,
    lost: 0,
    ...once,
  });
  expect(await take(anAttempt(run, unit, 3, second))).toEqual({
    ref: ref(3),
    earlier: 2,
    lost: 1,
    ...once,
  });
  expect(await take(anAttempt(run, unit, 7, third))).toEqual({
    ref: ref(4),
    earlier: 3,
    lost: 2,
    ...once,
  });
  expect(await take(anAttempt(run, unit, 8, third)), 'the worker lives, its attempt failed').toEqual({
    ref: ref(5),
    earlier: 4,
    lost: 2,
    ...once,
  });
  expect(await outcomes(run.id)).toEqual([
    [1, 'failed'],
    [2, 'lost'],
    [3, 'lost'],
    [4, 'failed'],
    [5, null],
  ]);
});

test('tries count within a wait, and waits within an execution: whatever is below the newest comes late', async () => {
  const run = await store.started();
  const at = (pauses: number, tried: number) => ({ ...anAttempt(run, 'model/1', tried), pauses });
  for (const [pauses, tried, attempt] of [
    [0, 2, 1],
    [1, 1, 2],
    [1, 12_345, 3],
    [2, 1, 4],
  ] as const)
    expect((await take(at(pauses, tried))).ref.attempt).toBe(attempt);
  for (const [pauses, tried] of [
    [0, 3],
    [1, 20_000],
    [2, 0],
  ] as const)
    await expect(take(at(pauses, tried))).rejects.toThrow(Superseded);
  const foreign = { ...at(3, 1), generation: 1 };
  await expect(take(foreign), 'of an execution that does not have the run').rejects.toThrow(Superseded);
  const handedOver = await log.write('test', async (write) =>
    handOver(write, await lockedRun(write, run.id)),
  );
  await expect(take(at(3, 1)), 'of the execution before').rejects.toThrow(Superseded);
  expect((await take({ ...at(0, 1), generation: handedOver.generation })).ref.attempt).toBe(5);
});

test('what a living worker was at is superseded; it counts as lost once that worker has ended', async () => {
  const run = await store.started();
  const [slow, next, last] = [await executor('slow'), await executor('next'), await executor('last')];
  await take(anAttempt(run, 'model/1', 1, slow));
  expect(await take(anAttempt(run, 'model/1', 2, next))).toMatchObject({
    earlier: 1,
    lost: 0,
    resumes: false,
  });
  await endExecutor(db, next);
  expect(await take(anAttempt(run, 'model/1', 3, last)), 'the second died').toMatchObject({
    earlier: 2,
    lost: 1,
  });
  expect(await outcomes(run.id)).toEqual([
    [1, 'superseded'],
    [2, 'lost'],
    [3, null],
  ]);
  await endExecutor(db, slow);
  expect(await take(anAttempt(run, 'model/1', 4, last))).toMatchObject({
    earlier: 3,
    lost: 2,
    resumes: false,
  });
});

test('how the attempts before this one ended is told, in order', async () => {
  const run = await store.started();
  for (const [number, outcome] of [
    [1, 'failed'],
    [2, 'broken'],
    [3, 'faulty'],
    [4, 'failed'],
  ] as const) {
    await take(anAttempt(run, 'model/1', number));
    await failAttempt(db, anAttempt(run, 'model/1', number), outcome);
  }
  const ends = await endsOf(db, anAttempt(run, 'model/1', 4));
  expect(ends).toEqual(['failed', 'broken', 'faulty'].map((outcome) => ({ outcome, at: expect.any(Date) })));
  expect(await endsOf(db, anAttempt(run, 'model/1', 1))).toEqual([]);
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
  await expect(take(anAttempt(run, 'model/1', 3)), 'nobody can tell what the first has done').rejects.toThrow(
    Superseded,
  );
  expect(await outcomes(run.id)).toEqual([[1, null]]);
});

test('of attempts that begin at once the newest holds the fence', async () => {
  const run = await store.started();
  const begun = await Promise.allSettled(
    [4, 2, 5, 1, 3].map(async (tried) => ({ tried, ...(await take(anAttempt(run, 'model/1', tried))) })),
  );
  const taken = begun.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  expect(taken.map(({ ref }) => ref.attempt).sort()).toEqual(taken.map((_, index) => index + 1));
  for (const { tried, ref } of taken.toSorted((one, other) => one.tried - other.tried)) {
    const ending = end(ref);
    if (tried < 5) await expect(ending).rejects.toThrow(Superseded);
    else await ending;
  }
});

// Whatever an older attempt does next, at whatever point the newer one took over, it is told so.
const points: [string, (old: NewAttempt & AttemptRef) => Promise<unknown>][] = [
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
  ['notes the handle of its command', (old) => noteHandle(db, old, { kind: 'test', at: 7 })],
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

test('a worker that died leaves its open attempts with their tokens and the handles of their commands', async () => {
  const run = await store.started();
  const id = await executor('elsewhere');
  const ended = { ...anAttempt(run, 'model/1'), executorId: id };
  const executing = { ...anAttempt(run, 'call/1.0'), executorId: id };
  await take(ended);
  await end(ended);
  await take(executing);
  await noteHandle(db, executing, { kind: 'test', at: 4711 });
  await take(anAttempt(run, 'call/1.1'));
  expect(await openAttemptsOf(db, id)).toEqual([
    { runId: run.id, unit: 'call/1.0', attempt: 1, taskToken: executing.taskToken },
  ]);
  expect(await handlesLeftBy(db, id)).toEqual([{ kind: 'test', at: 4711 }]);
  await markLost(db, id);
  expect(await openAttemptsOf(db, id)).toEqual([]);
  expect(await openAttemptsOf(db, executorId)).not.toEqual([]);
});

test('a successor is told of the handle of every command its predecessors started', async () => {
  const run = await store.started();
  const [here, there] = [await executor('here'), await executor('there')];
  for (const [attempt, id] of [
    [1, here],
    [2, there],
    [3, here],
  ] as const) {
    const each = { ...anAttempt(run, 'call/1.0', attempt), executorId: id };
    await take(each);
    await noteHandle(db, each, { kind: 'test', at: attempt });
  }
  const [first, second, third] = [1, 2, 3].map((at) => ({ kind: 'test', at }));
  const unit = { runId: run.id, unit: 'call/1.0' };
  expect(await handlesOf(db, unit, 3)).toEqual([first, second]);
  expect(await handlesOf(db, unit, 1)).toEqual([]);
  expect(await handlesOf(db, unit)).toEqual([first, second, third]);
});

test('what a dead worker left are the commands of active runs, those of ended calls included', async () => {
  const id = await executor('gone');
  const run = await store.started();
  await store.step(run, 1, { calls: [aCall('1.0')] });
  const attempt = { ...anAttempt(run, 'call/1.0'), executorId: id };
  await store.claim(attempt);
  await noteHandle(db, attempt, { kind: 'test', at: 5 });
  await store.record(attempt);
  expect(await handlesLeftBy(db, id)).toEqual([{ kind: 'test', at: 5 }]);
  await store.end(run);
  expect(await handlesLeftBy(db, id)).toEqual([]);
});

test('an executor beats until somebody declares it ended, and then it is told so', async () => {
  const host = `host-${uuid()}`;
  const [one, other] = [await executor(host), await executor(host)];
  expect(await beat(db, one)).toBe(true);
  expect((await liveExecutorsOn(db, host, '')).map(({ id }) => id).sort()).toEqual([one, other].sort());
  // Longer than any of those before may have been silent.
  const before = await countBeating(db, 3_600_000);
  await endExecutor(db, one);
  expect(await beat(db, one)).toBe(false);
  expect((await liveExecutorsOn(db, host, '')).map(({ id }) => id)).toEqual([other]);
  expect(await countBeating(db, 3_600_000)).toBe(before - 1);
  expect(await countBeating(db, -60_000)).toBe(0);
  expect(await liveExecutorsOn(db, hostname(), '')).toEqual([]);
});
