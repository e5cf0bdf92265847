import pino from 'pino';
import { expect, test } from 'vitest';
import { createReconciler } from '../../api/reconciler.ts';
import { createRuns, type RunWorkflow, type TemporalRuns } from '../../api/runs.ts';
import { openClient } from '../../worker/temporal.ts';
import { openTestStore } from '../support/store.ts';

const store = await openTestStore();
const healthy: RunWorkflow = { isRunning: true, generation: 0, chain: 'execution-1', tries: 1 };

/** Passes until it is so, over a Temporal that answers as said; what was logged at which level. */
async function reconcileUntil(
  describe: TemporalRuns['describe'],
  isSo: (levels: number[]) => boolean | Promise<boolean>,
): Promise<number[]> {
  const levels: number[] = [];
  const reconciler = createReconciler({
    log: store.log,
    runs: { started() {}, wake() {}, async settled() {}, describe },
    logger: pino({ level: 'debug' }, { write: (line) => void levels.push(JSON.parse(line).level) }),
    everyMs: 10,
  });
  try {
    await expect.poll(() => isSo(levels), { timeout: 10_000 }).toBe(true);
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
  const runs = createRuns({ client, logger: pino({ level: 'silent' }) });
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
