import pino from 'pino';
import { expect, test } from 'vitest';
import type { ActivityDeps } from '../../activities/deps.ts';
import { createFinishRun } from '../../activities/run.ts';
import { handOver } from '../../activities/store/lifecycle/begin-run.ts';
import { lockRun, type RunRow } from '../../activities/store/runs/runs.ts';
import type { FinishRunInput } from '../../workflows/contracts/activities.ts';
import { openTestStore, toldTo } from '../support/store.ts';

const store = await openTestStore();
const given: Partial<ActivityDeps> = {
  log: store.log,
  logger: pino({ level: 'silent' }),
  endBackground: async () => {},
  leaveRun: async () => {},
  cancelWorkflow: async () => {},
  startRun() {},
};
const finishRun = createFinishRun(given as ActivityDeps);

function ending(run: RunRow, changes: Partial<FinishRunInput> = {}): FinishRunInput {
  return {
    tenantId: run.tenant_id,
    runId: run.id,
    requestId: run.request_id,
    step: 0,
    executionId: 'execution-1',
    generation: run.generation,
    outcome: 'stopped',
    reason: 'interrupted',
    ...changes,
  };
}

const resultOf = (status: string, reason: string, steps = 0) => ({
  status,
  result: { status, reason, steps, costMicros: expect.any(Number) },
});

async function lateWritesOf(run: RunRow) {
  const events = await toldTo(store.database);
  return events.filter(
    ({ type, payload }) => type === 'late-write' && JSON.stringify(payload).includes(run.id),
  );
}

test.each([
  ['cancel', { outcome: 'stopped', reason: 'interrupted' }, 'cancelled'],
  ['interrupt', { outcome: 'succeeded', reason: 'finished' }, 'interrupted'],
  ['interrupt', { outcome: 'timed_out', reason: 'limit_seconds' }, 'interrupted'],
] as const)(
  'an end by %s whose answer was lost is told again, and nobody came late',
  async (kind, how, status) => {
    const run = await store.started();
    await store.input(run, { kind, messageId: 'stop' });
    const told = { finished: true, ...resultOf(status, status) };
    expect(await finishRun(ending(run, how))).toEqual(told);
    expect(await finishRun(ending(run, how))).toEqual(told);
    expect(await lateWritesOf(run)).toEqual([]);
  },
);

test('the end of a run that was ended because its workflow was gone comes late, and is noted', async () => {
  const run = await store.started();
  await store.end(run, { status: 'failed', reason: 'workflow_gone' });
  expect(await finishRun(ending(run))).toEqual({
    finished: true,
    ...resultOf('failed', 'workflow_gone'),
  });
  expect(await lateWritesOf(run)).toHaveLength(1);
});

test('an execution that a run was taken away from does not end it', async () => {
  const run = await store.started();
  const next = await store.log.write('test', async (write) => {
    const locked = await lockRun(write, run.tenant_id, run.id);
    if (!locked) throw new Error('the run was just started');
    return handOver(write, locked);
  });
  const before = await store.events(run);
  expect(await finishRun(ending(run))).toEqual({ finished: true });
  expect([await store.run(run.id), await store.events(run)]).toEqual([next, before]);
});

test('a run that goes on for a message which came at its very end keeps its sandbox until it has ended', async () => {
  const run = await store.started();
  const left: string[] = [];
  let messages = 0;
  const finish = createFinishRun({
    ...given,
    async endBackground() {
      messages += 1;
      if (messages === 1) await store.input(run, { kind: 'steer', messageId: 'late' });
    },
    leaveRun: async (runId) => void left.push(runId),
  } as ActivityDeps);
  const done = ending(run, { outcome: 'succeeded', reason: 'finished' });
  expect([await finish(done), left]).toEqual([{ finished: false }, []]);
  await store.step(run, 1);
  expect([await finish(done), left]).toEqual([
    { finished: true, ...resultOf('succeeded', 'finished', 1) },
    [run.id],
  ]);
});
