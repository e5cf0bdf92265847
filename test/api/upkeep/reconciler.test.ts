import pino from 'pino';
import { expect, test } from 'vitest';
import { bookUnanswered } from '../../../activities/step/use.ts';
import { createReconciler } from '../../../api/upkeep/reconciler.ts';
import { createExecutions, type Executions, type SeenWorkflow } from '../../../api/upkeep/executions.ts';
import { runKind } from '../../../api/upkeep/run-kind.ts';
import { createRunUpkeep } from '../../../api/upkeep/run-upkeep.ts';
import { modelPrice } from '../../../worker/processes/model-price.ts';
import { openClient } from '../../../worker/processes/temporal-client.ts';
import { reserve } from '../../../activities/store/allowances/allowances.ts';
import { openTenant } from '../../support/allowances.ts';
import { anAttempt, openTestStore } from '../../support/store.ts';

const store = await openTestStore();
const priced = { input: 1_000_000, output: 2_000_000 };
const price = modelPrice({ prices: { 'compatible/*': priced }, unknownPriceMicrosPerMillion: priced });
const healthy: SeenWorkflow = { isRunning: true, generation: 0, chain: 'execution-1', tries: 1 };

/** Passes until it is so, over a Temporal that answers as said; what was logged at which level. */
async function reconcileUntil(
  describe: Executions['describe'],
  isSo: (levels: number[]) => boolean | Promise<boolean>,
): Promise<number[]> {
  const levels: number[] = [];
  const logger = pino({ level: 'debug' }, { write: (line) => void levels.push(JSON.parse(line).level) });
  const upkeep = createRunUpkeep({
    log: store.log,
    executorPatienceSeconds: 900,
    runs: {
      started() {},
      wake() {},
      async settled() {},
      isStarted: () => false,
      async cancel() {},
      describe,
    },
    logger,
    book: (write, run) => bookUnanswered({ price }, write, run),
  });
  const reconciler = createReconciler({ db: store.log.db, kinds: [upkeep], logger, everyMs: 10 });
  try {
    await expect.poll(() => isSo(levels)).toBe(true);
  } finally {
    await reconciler.close();
  }
  return levels;
}

test('a run that cannot be dealt with does not keep the others from being looked at', async () => {
  const [broken, gone] = [await store.started(), await store.started()];
  const levels = await reconcileUntil(
    async (runId) => {
      if (runId === broken.id) throw new TypeError('a bug');
      return runId === gone.id ? undefined : healthy;
    },
    async () => (await store.run(gone.id)).ended_at !== null,
  );
  expect(await store.run(gone.id)).toMatchObject({ status: 'failed', reason: 'workflow_gone' });
  expect((await store.run(broken.id)).ended_at).toBeNull();
  expect(levels).toContain(pino.levels.values['error']);
});

test('while Temporal is away nobody is taken for lost, and one run of a pass is asked about', async () => {
  const run = await store.started();
  await store.started();
  const client = openClient({ temporalAddress: '127.0.0.1:1', temporalNamespace: 'default' });
  const runs = createExecutions(runKind, client, pino({ level: 'silent' }));
  const asked: string[] = [];
  const levels = await reconcileUntil(
    (runId) => {
      asked.push(runId);
      return runs.describe(runId);
    },
    (seen) => seen.length >= 2,
  );
  await client.connection.close();
  expect(levels).not.toContain(pino.levels.values['error']);
  expect(new Set(asked).size).toBe(1);
  expect((await store.run(run.id)).ended_at).toBeNull();
});

test('a run that is ended here pays for the model call that was under way, on its row and in its last event', async () => {
  const run = await store.started({ model: 'compatible/fake' });
  await store.step(run, 1);
  const before = await store.run(run.id);
  const attempt = anAttempt(run, 'model/2');
  await store.open(attempt);
  const { tenant_id: tenantId, id: runId, model } = run;
  // The most it can use, at a micro-dollar a token of the prompt and two of the answer.
  const worst = { inputTokens: 50, outputTokens: 32_000, costMicros: 50 + 64_000, promptCostMicros: 50 };
  await reserve(store.database.db, { tenantId, runId, step: 2, attempt: attempt.attempt, model, worst });
  await store.log.append({
    tenantId: run.tenant_id,
    stream: `run/${run.id}`,
    conversationId: run.conversation_id,
    events: [{ type: 'text-delta', payload: { step: 2, block: 0, text: 'thirty characters of an answer' } }],
    fence: attempt,
  });
  await reconcileUntil(
    async (runId) => (runId === run.id ? undefined : healthy),
    async () => (await store.run(run.id)).ended_at !== null,
  );
  const { input_tokens, cached_input_tokens, output_tokens, cost_micros } = await store.run(run.id);
  // Ten were streamed, and 2,000 are the margin.
  const used = [input_tokens - before.input_tokens, output_tokens - before.output_tokens];
  expect([...used, cost_micros - before.cost_micros]).toEqual([50, 2010, 50 + 2 * 2010]);
  expect((await store.events(run)).at(-1)).toEqual({
    type: 'run-end',
    payload: expect.objectContaining({
      reason: 'workflow_gone',
      usage: {
        inputTokens: input_tokens,
        cachedInputTokens: cached_input_tokens,
        outputTokens: output_tokens,
      },
      costMicros: cost_micros,
    }),
  });
});

test('Temporal is not asked about a run that waits for a place: it has no workflow yet', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', { concurrentRuns: 1 });
  const [admitted, waiting] = [await tenant.accept(), await tenant.accept()];
  if (admitted.became !== 'started' || waiting.became !== 'waiting') throw new Error('One of two may run.');
  const asked: string[] = [];
  await reconcileUntil(
    async (runId) => {
      asked.push(runId);
      return undefined;
    },
    () => asked.filter((id) => id === admitted.run.id).length >= 2,
  );
  expect(asked).not.toContain(waiting.run.id);
});
