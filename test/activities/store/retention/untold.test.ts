// A pruning beside webhooks whose endpoints are away.
import { expect, test } from 'vitest';
import { v7 as uuid } from 'uuid';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { afterEnd } from '../../../../activities/store/lifecycle/after-end.ts';
import { sweepTasks } from '../../../../activities/store/retention/delete-tasks.ts';
import { listDeadLetters } from '../../../../activities/store/runs/dead-letters.ts';
import { completeTask, pullTask } from '../../../../activities/store/tasks/claims.ts';
import type { WebhookRow } from '../../../../activities/store/webhooks/webhooks.ts';
import { openEndpoint } from '../../../support/hook-endpoint.ts';
import { ageRuns, daysAgo, pruneAll, sweepsIn } from '../../../support/retention.ts';
import { openTestStore } from '../../../support/store.ts';
import { openTenant as openHooked } from '../../webhook-tenant.ts';
import { openFleet } from '../tasks/handing-out.ts';

const store = await openTestStore();
const { db, pool } = store.database;

function openTenant(tenantId: string) {
  const tenant = openHooked(store, tenantId);
  return {
    ...tenant,
    /** Again where the time of one look was over before it had sent all. */
    async look(webhook: WebhookRow): Promise<void> {
      while ((await tenant.look(webhook)).againMs === 0);
    },
  };
}

test('what waits for an endpoint is sent before its run and its events go; one that is switched off holds nothing', async () => {
  const tenant = openTenant(defaultTenant);
  const endpoint = await openEndpoint();
  const off = await tenant.add(endpoint);
  await tenant.look(off);
  await pool.query('update webhooks set enabled = false where id = $1', [off.id]);
  const webhook = await tenant.add(endpoint);
  await tenant.look(webhook);
  const run = await store.started();
  await afterEnd(store.log, await store.end(run));
  // And of one that is not here any more.
  await tenant.tell(uuid());
  await ageRuns(store, 40);
  await pool.query(`update events set at = at - interval '40 days'`);
  const months = { runs: daysAgo(30), events: daysAgo(30) };
  const left = async (): Promise<unknown> => {
    await pruneAll(store, months);
    const { rows } = await pool.query(
      `select (select count(*)::integer from runs) as runs,
        (select array_agg(seq::integer order by seq) from events where stream = 'tenant/' || $1) as told`,
      [defaultTenant],
    );
    return rows[0];
  };
  const {
    rows: [{ told }],
  } = await pool.query(
    `select array_agg(seq::integer order by seq) as told from events where stream = 'tenant/' || $1`,
    [defaultTenant],
  );
  expect(told).toEqual([1, 2, 3, 4]);
  // They are no deliveries yet.
  expect(await left()).toEqual({ runs: 1, told });
  endpoint.answers((_got, response) => response.writeHead(503).end());
  await tenant.look(webhook);
  expect(await left()).toEqual({ runs: 1, told });
  const measured = { tenantId: defaultTenant, before: daysAgo(30) };
  expect(await sweepsIn(store).events.measure(db, measured, 100)).toEqual({ rows: 0, bytes: 0 });
  endpoint.answers(() => undefined);
  await tenant.pass(5000);
  await tenant.look(webhook);
  expect(endpoint.seqs().sort()).toEqual(told);
  expect(await left()).toEqual({ runs: 0, told: null });
  expect(await listDeadLetters(db, { tenantId: defaultTenant, limit: 10, open: true })).toEqual([]);
});

test('a task that has ended goes when a webhook has been told of it', async () => {
  const fleet = await openFleet(store);
  const { tenantId } = fleet;
  const tenant = openTenant(tenantId);
  const webhook = await tenant.add(await openEndpoint());
  await tenant.look(webhook);
  const executorId = await fleet.agent('one');
  await fleet.task();
  await fleet.inTurn(async (write) => {
    const task = await pullTask(write, { tenantId, executorId });
    if (!task) throw new Error('None waits.');
    await completeTask(write, { tenantId, taskId: task.id, claim: task.claim }, 'So it is.');
  });
  await tenant.tell();
  const sweep = async (): Promise<number> => {
    const of = { tenantId, before: new Date(Date.now() + 60_000) };
    return (await db.transaction().execute((tx) => sweepTasks.batch(tx, of))).rows;
  };
  expect(await sweep()).toBe(0);
  await tenant.look(webhook);
  expect(await sweep()).toBe(1);
});
