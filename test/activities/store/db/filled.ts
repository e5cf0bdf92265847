// A database with rows in every table.
import { sql } from 'kysely';
import { v7 as uuid } from 'uuid';
import { delegatingRun } from '../../../support/delegating.ts';
import { openPatient } from '../../../support/patient.ts';
import { aCall, anAttempt, storeOver, type TestStore } from '../../../support/store.ts';
import { changeLimits, seedTenantAllowance } from '../../../../activities/store/allowances/change-limits.ts';
import { reserve } from '../../../../activities/store/allowances/allowances.ts';
import { createContents } from '../../../../activities/store/log/contents.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { addDeadLetter } from '../../../../activities/store/runs/dead-letters.ts';
import { createEventLog, type Write } from '../../../../activities/store/log/events.ts';
import { registerExecutor } from '../../../../activities/store/runs/executors.ts';
import { keepAnswer } from '../../../../activities/store/access/idempotency.ts';
import { openRewind } from '../../../../activities/store/lifecycle/rewinds.ts';
import { noteBefore } from '../../../../activities/store/runs/checkpoints.ts';
import { addMemory } from '../../../../activities/store/presets/memory.ts';
import { createWorkspace } from '../../../../activities/store/presets/workspaces.ts';
import { addPreset } from '../../../support/presets.ts';
import { ensureBuiltIns } from '../../../../activities/store/policies/policies.ts';
import { applyPolicy, rememberAnswer } from '../../../../activities/store/policies/policy-scopes.ts';
import { addPruning } from '../../../../activities/store/retention/prunings.ts';
import { openByHand } from '../../../../activities/store/schedules/due.ts';
import { insertSchedule } from '../../../../activities/store/schedules/schedules.ts';
import { claimByAgent, failTask } from '../../../../activities/store/tasks/claims.ts';
import { lockDispatcher } from '../../../../activities/store/tasks/dispatchers.ts';
import { registerAgent } from '../../../../activities/store/tasks/registered.ts';
import { insertTask } from '../../../../activities/store/tasks/tasks.ts';
import { layOut } from '../../../../activities/store/webhooks/deliveries.ts';
import { insertWebhook } from '../../../../activities/store/webhooks/webhooks.ts';
import { toDefinition } from '../../../../workflows/contracts/schedule.ts';
import { sumLedger } from '../../../../activities/store/retention/sum-ledger.ts';
import { lockRun, requireRun } from '../../../../activities/store/runs/runs.ts';
import { ensureFirstToken } from '../../../../activities/store/access/data-folder-token.ts';

/** The store over a database that is there already; closed when the work is done. */
export async function onStore(url: string, act: (store: TestStore) => Promise<void>): Promise<void> {
  const database = openPatient({ url, connections: 4, name: 'test-store' });
  const notifier = { touch: () => {}, close: async () => {} };
  const log = createEventLog({ db: database.db, notifier, redact: (text) => text });
  try {
    await act(storeOver(url, database, log));
  } finally {
    await database.close();
  }
}

/** Rows in every table, written by the product itself. */
export async function fill(url: string): Promise<void> {
  await onStore(url, async (store) => {
    const { database, log } = store;
    await seedTenantAllowance(database.db, defaultTenant);
    const run = await store.started();
    const asks = { kind: 'call' as const, text: 'shell true', choices: [] };
    await store.step(run, 1, { calls: [aCall('1.0'), aCall('1.1', { decision: 'ask', asks })] });
    await store.claim(anAttempt(run, 'call/1.0'));
    await delegatingRun(store);
    await ensureBuiltIns(database.db, defaultTenant);
    await log.write('test', async (write) => {
      const change = { tenantId: defaultTenant, by: 'test' };
      await addPreset(write, change);
      await createWorkspace(write, { id: 'shop', projects: [{ path: '/project' }] }, change);
      await applyPolicy(write, { scope: 'project', key: '/project' }, 'ask-everything', change);
      const answer = { tool: 'shell', inputHash: 'hash', allows: 'the tool shell', expiresAt: new Date() };
      await rememberAnswer(write, { scope: 'global', key: '', ...answer }, change);
    });
    const part = { type: 'binary', mode: 'file', name: 'a', content: 'a'.repeat(64) } as const;
    await store.input(run, { kind: 'steer', messageId: 'one', parts: [part] });
    await noteBefore(database.db, run, { callId: '1.0' }, { tree: '0', files: [], firstSeen: [] });
    await log.write('test', async (write) => {
      const locked = requireRun(await lockRun(write, defaultTenant, run.id), run.id);
      await addDeadLetter(write, locked, { kind: 'run', reason: 'It is stuck.', attempts: 5 });
      await openRewind(write, locked, { target: 0, by: 'test', requestId: 'r' });
    });
    await createContents(database.db, 'unused').put(defaultTenant, 'text/plain', Buffer.from('content'));
    await registerExecutor(database.db, {
      id: uuid(),
      tenantId: defaultTenant,
      host: 'host',
      pid: 1,
      startedTicks: '1',
      queues: ['wf'],
      capacity: {},
    });
    await ensureFirstToken(database.db, defaultTenant, async () => {});
    const by = { by: 'test', reason: 'a test' };
    const tenant = { tenantId: defaultTenant, name: 'tenant' as const, model: '' };
    await changeLimits(database.db, { ...tenant, limits: { hourCalls: 1 }, version: 1, ...by });
    for (const step of [2, 3]) {
      const worst = { inputTokens: 1, outputTokens: 1, costMicros: 1 };
      const call = { tenantId: defaultTenant, runId: run.id, step, attempt: 1, model: 'a/b' };
      await reserve(database.db, { ...call, worst });
    }
    await log.write('test', async (write) => {
      const body = { name: 'hourly', everySeconds: 3600, run: { prompt: 'Go.' } };
      const schedule = await insertSchedule(write, toDefinition(body), {
        tenantId: defaultTenant,
        by: 'test',
      });
      await openByHand(write, schedule, new Date());
    });
    const kept = { scope: 'preset' as const, key: 'coder', text: 'It is late.' };
    await addMemory(database.db, { tenantId: defaultTenant, by: 'test', ...kept });
    await log.write('test', async (write) => {
      const author = { tenantId: defaultTenant, by: 'test' };
      const offer = { name: 'agent', places: 1, capabilities: [], ttlSeconds: 60 };
      await lockDispatcher(write, defaultTenant);
      const { id: executorId } = await registerAgent(write, defaultTenant, offer);
      const words = { title: 'A task', prompt: 'Go.', priority: 'normal' as const, retries: 1 };
      const lists = { labels: [], files: [], acceptance: [], dependsOn: [] };
      const task = await insertTask(write, { ...words, ...lists }, {}, author);
      const claimed = await claimByAgent(write, { tenantId: defaultTenant, executorId }, task.id);
      const saying = { tenantId: defaultTenant, taskId: task.id, claim: claimed.claim };
      await failTask(write, saying, 'It failed.');
    });
    await log.feed(defaultTenant, 1);
    await log.write('test', fillWebhooks);
    await addPruning(database.db, { tenantId: defaultTenant, by: 'test', cutoffs: {} });
    await database.pool.query(`insert into allowance_entries (tenant_id, kind, at, day, allowances, by, reason)
      select tenant_id, 'refund', now(), '2025-01-05', array[id], 'test', 'a test' from allowances`);
    await sumLedger.batch(database.db, { tenantId: defaultTenant, before: new Date('2025-03-01') });
    const scope = { tenantId: defaultTenant, method: 'POST', path: '/runs', key: 'key' };
    await keepAnswer(database.db, scope, 'hash', { status: 202, headers: {}, body: '{}' });
  });
}

async function fillWebhooks(write: Write): Promise<void> {
  const endpoint = { url: 'https://example.org', types: [], secret: 'whsec_', enabled: true };
  const webhook = await insertWebhook(write, endpoint, { tenantId: defaultTenant, by: 'test' });
  await sql`update webhooks set cursor = 0`.execute(write.tx);
  await layOut(write, webhook);
}
