// B8, crash recovery: kill -9 of the worker in the middle of a tool call until the next attempt runs; and of a worker
// that holds two hundred conversations until all have gone on, against replaying their histories.
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from '@temporalio/worker';
import { sql } from 'kysely';
import { defaultTenant, openDatabase } from '../../activities/store/db/database.ts';
import { workflowId } from '../../workflows/contracts/messages.ts';
import { buildBundle } from '../../worker/processes/bundle.ts';
import { openClient } from '../../worker/processes/temporal-client.ts';
import { until } from '../support/platform.ts';
import type { FakeModelInput } from './harness/fake-model.ts';
import { percentile, report, settings } from './harness/pairs.ts';
import { now, startProduct } from './harness/product.ts';
import { checkRows } from './harness/rows.ts';

const conversations = 200;
// Enough for a history worth replaying, few enough to get two hundred there in a minute.
const heldAtStep = 3;

const given = settings();
const shell = [{ name: 'shell', input: { command: 'sleep 3' } }];
const answers: FakeModelInput = { pieces: 1, pauseMs: 0, toolSteps: 1, calls: shell };
await using product = await startProduct(answers, { PERDURE_LLM_SLOTS: String(conversations + 10) });
const { platform } = product;
const database = openDatabase({ url: platform.databaseUrl, connections: 2, name: 'bench-recovery' });
const client = openClient({ temporalAddress: platform.temporalAddress, temporalNamespace: 'perdure' });

/** Milliseconds from the kill to the start of the next attempt of the call that was under way. */
async function killMidTool(): Promise<number> {
  const id = await product.startRun();
  let killedAt = 0;
  let again = 0;
  await product.read(`/runs/${id}/stream`, ({ type, at }) => {
    if (type === 'call-start' && killedAt > 0) again ||= at - killedAt;
    if (type === 'call-start' && killedAt === 0) {
      killedAt = now();
      platform.kill('worker');
    }
    return type === 'run-end';
  });
  // A worker that dies within a second of its start counts as broken, and its restarts slow down.
  await sleep(1500);
  return again;
}

/** Brings all runs to the step where their model falls silent; returns their ids and how to let it go on. */
async function holdConversations(): Promise<{ ids: string[]; release(): void }> {
  const go = Promise.withResolvers<void>();
  answers.toolSteps = heldAtStep;
  answers.calls = [{ name: 'todo', input: { items: [] } }];
  answers.hold = (step) => (step === heldAtStep ? go.promise : undefined);
  const ids: string[] = [];
  for (let batch = 0; batch < conversations; batch += 20) {
    ids.push(...(await Promise.all(Array.from({ length: 20 }, () => product.startRun()))));
    await until(
      () => product.model.answering() === ids.length,
      120_000,
      () => 'The runs do not get there.',
    );
  }
  return { ids, release: () => go.resolve() };
}

async function untilEnded(ids: string[]): Promise<void> {
  await until(
    async () => {
      const { rows } = await sql<{ left: number }>`select count(*) as left from runs
        where id = any(${ids}::uuid[]) and ended_at is null and tenant_id = ${defaultTenant}`.execute(
        database.db,
      );
      return rows[0]?.left === 0;
    },
    120_000,
    () => 'Not every run has ended.',
  );
}

/** Seconds in which two hundred conversations go on and end when nothing happens to their worker. */
async function goOnWarm(): Promise<number> {
  const { ids, release } = await holdConversations();
  const began = now();
  release();
  await untilEnded(ids);
  return (now() - began) / 1000;
}

async function goOnCold(): Promise<{ seconds: number; replaySeconds: number; events: number }> {
  const { ids, release } = await holdConversations();
  const histories = await Promise.all(
    ids.map(async (id) => {
      const handle = client.workflow.getHandle(workflowId('run', id));
      return { workflowId: handle.workflowId, history: await handle.fetchHistory() };
    }),
  );
  const began = now();
  platform.kill('worker');
  release();
  await untilEnded(ids);
  const seconds = (now() - began) / 1000;
  const events = histories.reduce((sum, { history }) => sum + (history.events?.length ?? 0), 0);
  return { seconds, replaySeconds: await replay(histories), events };
}

async function replay(histories: Parameters<typeof Worker.runReplayHistories>[1]): Promise<number> {
  const workflowBundle = await buildBundle();
  const began = now();
  for await (const result of Worker.runReplayHistories({ workflowBundle }, histories)) {
    if (result.error) throw result.error;
  }
  return (now() - began) / 1000;
}

await sleep(1500);
const rounds = given.pairs * 2;
const again: number[] = [];
for (let round = 0; round < rounds; round += 1) again.push(await killMidTool());
process.stderr.write(`  recovery: next attempt after ${again.map(Math.round).join(', ')} ms\n`);
const warm = await goOnWarm();
const cold = await goOnCold();
const checked = await checkRows(platform.databaseUrl);
await client.connection.close();
await database.close();

const lower = { higherIsBetter: false };
report({
  name: 'B8 crash recovery',
  checks: [
    {
      what: 'seconds to the next attempt, p50',
      value: percentile(again, 0.5) / 1000,
      target: 2,
      mustReach: 4,
      ...lower,
    },
    {
      what: 'seconds to the next attempt, p99',
      value: percentile(again, 0.99) / 1000,
      target: 6,
      mustReach: 12,
      ...lower,
    },
    {
      what: 'cold end of 200 conversations, against replay and the same end warm',
      value: cold.seconds / (cold.replaySeconds + warm),
      target: 2,
      mustReach: 4,
      ...lower,
    },
    {
      what: 'seconds a conversation',
      value: cold.seconds / conversations,
      target: 1.5,
      mustReach: 3,
      ...lower,
    },
  ],
  figures: { milliseconds: again.map(Math.round), warmSeconds: warm, cold, checked },
});
