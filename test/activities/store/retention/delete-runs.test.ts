import { expect, test } from 'vitest';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { afterEnd } from '../../../../activities/store/lifecycle/after-end.ts';
import { Superseded } from '../../../../activities/store/log/events.ts';
import { deleteRuns } from '../../../../activities/store/retention/delete-runs.ts';
import {
  listUndrained,
  listActive,
  listUnstarted,
  type RunRow,
  streamFor,
} from '../../../../activities/store/runs/runs.ts';
import { daysAgo, ageRuns, pruneAll } from '../../../support/retention.ts';
import { askingRun } from '../../../support/delegating.ts';
import { aCall, anAttempt, openTestStore } from '../../../support/store.ts';

const store = await openTestStore();
const { db, pool } = store.database;

const spine = [
  ...[
    'runs',
    'conversations',
    'conversation_heads',
    'stream_heads',
    'events',
    'messages',
    'calls',
    'approvals',
  ],
  ...[
    'inputs',
    'attempts',
    'model_calls',
    'dead_letters',
    'allowance_runs',
    'allowance_places',
    'allowance_waits',
  ],
];

async function rowsOfAll(): Promise<Record<string, number>> {
  const counts = await Promise.all(
    spine.map(async (table): Promise<[string, number]> => {
      const { rows } = await pool.query(`select count(*)::integer as count from ${table}`);
      return [table, rows[0].count];
    }),
  );
  return Object.fromEntries(counts);
}

async function finished(run?: RunRow): Promise<RunRow> {
  const begun = run ?? (await store.started());
  const asks = { kind: 'call' as const, text: 'shell true', choices: [] };
  await store.step(begun, 1, { calls: [aCall('1.0'), aCall('1.1', { decision: 'ask', asks })] });
  const attempt = anAttempt(begun, 'call/1.0');
  await store.claim(attempt);
  await store.record(attempt);
  await store.input(begun, { kind: 'steer', messageId: 'one' });
  // It waits for an answer: it cannot succeed, and still leaves a snapshot.
  await afterEnd(store.log, await store.end(begun, { status: 'interrupted', reason: 'interrupted' }));
  return begun;
}

test('a subagent whose report waits in the mailbox stays until it was told, or its conversation is archived', async () => {
  const [waiting, archived] = [await askingRun(store, 1), await askingRun(store, 1)];
  for (const { parent, children } of [waiting, archived]) {
    await afterEnd(store.log, await store.end(parent, { status: 'interrupted', reason: 'interrupted' }));
    for (const child of children) await afterEnd(store.log, await store.end(child));
  }
  await ageRuns(store, 40);
  await pool.query('update conversations set archived_at = now() where id = $1', [
    archived.parent.conversation_id,
  ]);
  await pruneAll(store, { runs: daysAgo(30) });
  const left = async () => (await pool.query('select id from runs')).rows.map(({ id }) => id);
  expect(await left()).toEqual([waiting.children[0]?.id]);
  await pool.query(`update delegations set state = 'delivered'`);
  await pruneAll(store, { runs: daysAgo(30) });
  expect(await left()).toEqual([]);
});

test('a run that has ended stays while a subagent of it is at work', async () => {
  const { parent, children } = await askingRun(store, 1);
  await afterEnd(store.log, await store.end(parent, { status: 'interrupted', reason: 'interrupted' }));
  await ageRuns(store, 40);
  await pruneAll(store, { runs: daysAgo(30) });
  const left = async () => (await pool.query('select id from runs order by id')).rows.map(({ id }) => id);
  expect(await left()).toEqual([parent.id, children[0]?.id]);
  for (const child of children) await afterEnd(store.log, await store.end(child));
  await pool.query(`update delegations set state = 'delivered'`);
  await ageRuns(store, 40);
  await pruneAll(store, { runs: daysAgo(30) });
  expect(await left()).toEqual([]);
});

test('finished runs past their time go with all that is theirs, the newest of a chain first; audit and ledger stay', async () => {
  const first = await finished();
  await finished();
  const next = await store.accept({ conversationId: first.conversation_id, messageId: 'next' });
  await store.begin(next.run);
  await finished(await store.run(next.run.id));
  const audit = await pool.query('select count(*) from audit');
  await ageRuns(store, 40);
  // It goes on from an old one, which therefore stays.
  const young = await finished();
  const continued = await store.accept({ conversationId: young.conversation_id, messageId: 'next' });
  await store.begin(continued.run);
  await pool.query(`update runs set ended_at = ended_at - interval '50 days' where id = $1`, [young.id]);
  await pruneAll(store, { runs: daysAgo(30) });
  const { rows } = await pool.query('select id from runs order by id');
  expect(rows.map(({ id }) => id)).toEqual([young.id, continued.run.id].sort());
  expect(await rowsOfAll()).toMatchObject({ runs: 2, conversations: 1, stream_heads: 2 });
  expect(Number((await pool.query('select count(*) from audit')).rows[0].count)).toBeGreaterThan(
    Number(audit.rows[0].count) - 1,
  );
  await store.end(await store.run(continued.run.id));
  for (const { id } of [young, continued.run])
    await pool.query(`update allowance_runs set closed_at = now() where run_id = $1`, [id]);
  await ageRuns(store, 40);
  await pruneAll(store, { runs: daysAgo(30) });
  expect(await rowsOfAll()).toEqual(Object.fromEntries(spine.map((table) => [table, 0])));
});

test('what comes late for a deleted run is refused, and nothing starts, wakes or misses it', async () => {
  const run = await finished();
  await ageRuns(store, 40);
  await pruneAll(store, { runs: daysAgo(30) });
  const attempt = anAttempt(run, 'call/1.0');
  await expect(store.record(attempt)).rejects.toThrow(/no call/);
  await expect(store.claim(attempt)).rejects.toBeInstanceOf(Superseded);
  expect(await store.begin(run)).toBeUndefined();
  const late = { ...streamFor(run), events: [], fence: attempt };
  await expect(
    store.log.append({
      ...late,
      events: [{ type: 'text-delta', payload: { step: 1, block: 0, text: 'late' } }],
    }),
  ).rejects.toBeInstanceOf(Superseded);
  expect(await rowsOfAll()).toEqual(Object.fromEntries(spine.map((table) => [table, 0])));
  for (const list of [
    await listActive(db, 10),
    await listUnstarted(db, 0, 10),
    await listUndrained(db, 0, 10),
  ])
    expect(list).toEqual([]);
});

test('a fork goes on from the run it began from as long as one of its own runs holds that, and afresh then', async () => {
  const origin = await finished();
  const [fork, again] = [await finished(), await finished()];
  const conversationId = fork.conversation_id;
  await pool.query(
    `update runs set parent_id = $1, conversation_id = $2 where id = any(array[$3, $4]::uuid[])`,
    [origin.id, conversationId, fork.id, again.id],
  );
  // It is no part of the chain, and stays when the others go.
  const title = await finished();
  await pool.query(`update runs set kind = 'title', conversation_id = $1 where id = $2`, [
    conversationId,
    title.id,
  ]);
  await pool.query(`update conversations set head_run_id = $1 where id = $2`, [again.id, conversationId]);
  const headWithout = async ({ id }: RunRow): Promise<string | null> => {
    await db
      .transaction()
      .execute((tx) => deleteRuns(tx, { tenantId: defaultTenant, conversationId, runIds: [id] }));
    const { rows } = await pool.query(`select head_run_id from conversations where id = $1`, [
      conversationId,
    ]);
    return rows[0].head_run_id;
  };
  expect([await headWithout(again), await headWithout(fork)]).toEqual([origin.id, null]);
  const { run } = await store.accept({ conversationId, messageId: 'afresh' });
  expect(run.parent_id).toBeNull();
});
