import { randomUUID } from 'node:crypto';
import pino from 'pino';
import { expect, test } from 'vitest';
import { afterEnd } from '../../activities/store/lifecycle/after-end.ts';
import { usualRetention } from '../../activities/store/retention/retention-table.ts';
import { createClient } from '../../api/client/client.ts';
import { createPruneChore } from '../../api/upkeep/prune-chore.ts';
import type { Event } from '../../workflows/contracts/event.ts';
import type { PruningView, RetentionRowView } from '../../workflows/contracts/retention.ts';
import type { StartRunView } from '../../workflows/contracts/run.ts';
import { ageRuns, askTonight, sweepsIn } from '../support/retention.ts';
import { askingRun } from '../support/delegating.ts';
import { lockedRun, storeOver } from '../support/store.ts';
import { createTestApp, type TestApp } from '../support/test-app.ts';
import { appendTexts, endOfRun, readStream, startRun } from './stream/streams.ts';

async function finished(api: TestApp, body: object = {}, pieces = 30): Promise<StartRunView> {
  const run = await startRun(api, { policy: 'trusted-mount-autonomous', ...body });
  await appendTexts(api, run, pieces);
  await endOfRun(api, run, 'failed');
  const row = await api.log.write('test', async (write) => lockedRun(write, run.id));
  await afterEnd(api.log, { ended: true, run: row, waiting: false });
  return run;
}

/** As the night does, until nothing is left to do. */
async function prune(api: TestApp, now = new Date()): Promise<void> {
  await askTonight(api, now);
  const chore = createPruneChore({ ...api.deps, sweeps: sweepsIn(api), logger: pino({ level: 'silent' }) });
  const open = api.database.db.selectFrom('prunings').select('id').where('finished_at', 'is', null);
  // Each pass has a second, which is over before it has begun where the machine stands still.
  while ((await open.execute()).length > 0) await chore.act();
}

test('a cursor below the floor is answered 410, which names it and how to go on; at and above it nothing is missing', async () => {
  const api = await createTestApp();
  const url = await api.listen();
  const run = await finished(api);
  const whole = (await api.ask('GET', `/runs/${run.id}/events?limit=1000`)).json<{ items: Event[] }>().items;
  await ageRuns(api, 31);
  await prune(api);
  const floor = 31;
  const conversation = `/conversations/${run.conversationId}`;
  for (const path of [`/runs/${run.id}`, conversation]) {
    for (const [query, headers] of [
      ['', {}],
      ['?after=30', {}],
      ['', { 'last-event-id': '30' }],
    ] as const) {
      const answer = await api.ask('GET', `${path}/stream${query}`, undefined, headers);
      expect([answer.statusCode, answer.headers['content-type'], answer.json()]).toEqual([
        410,
        'application/problem+json; charset=utf-8',
        expect.objectContaining({
          code: 'EventsFolded',
          floor,
          detail: expect.stringMatching(/kept=true&after=\d+.*go on after 31/),
        }),
      ]);
    }
    for (const query of ['', '?after=30', '?format=jsonl'])
      expect((await api.ask('GET', `${path}/events${query}`)).statusCode).toBe(410);
    const { items } = (await api.ask('GET', `${path}/events?kept=true`)).json<{ items: Event[] }>();
    expect(items).toEqual([whole[0], ...whole.slice(floor)]);
    const rest = (await api.ask('GET', `${path}/events?after=${floor}`)).json<{ items: Event[] }>();
    expect(rest.items).toEqual(whole.slice(floor));
  }
  const { frames } = await readStream(`${url}${run.streamUrl}?after=${floor}`, api.auth);
  expect(frames.map((frame) => frame.data)).toEqual(whole.slice(floor));
  expect((await api.ask('GET', `/runs/${run.id}/stream?after=${whole.length}`)).statusCode).toBe(204);
  expect((await api.ask('GET', `/runs/${run.id}/events?after=${whole.length + 1}`)).statusCode).toBe(400);
  // The client shows what is kept, says so, and goes on where the stream is whole.
  const seen: Event[] = [];
  const folded: number[] = [];
  const client = createClient({ url, token: api.token });
  for await (const event of client.watchRun(run.id, { onFolded: (at) => void folded.push(at) }))
    seen.push(event);
  expect([seen, folded]).toEqual([[whole[0], ...whole.slice(floor)], [floor]]);
});

test('a conversation goes on above what is folded of it, in pages of any reader', async () => {
  const api = await createTestApp();
  const url = await api.listen();
  const run = await finished(api, {}, 1500);
  await ageRuns(api, 31);
  await prune(api);
  const next = (
    await api.ask('POST', `/conversations/${run.conversationId}/messages`, {
      prompt: 'more',
      messageId: 'two',
    })
  ).json<StartRunView>();
  await appendTexts(api, next, 700);
  const floor = 1501;
  const last = floor + 1 + 1 + 700;
  const { frames } = await readStream(
    `${url}/api/v1/conversations/${run.conversationId}/stream?after=${floor}`,
    api.auth,
    (read) => read.at(-1)?.id === String(last),
  );
  expect(frames.map(({ id }) => Number(id))).toEqual(
    Array.from({ length: last - floor }, (_, at) => floor + 1 + at),
  );
});

test('a finished run is deleted for good, once under its key, and its readers are told', async () => {
  const api = await createTestApp();
  const run = await finished(api);
  const other = await finished(api, { conversationId: run.conversationId, messageId: 'two' });
  const key = { 'idempotency-key': randomUUID() };
  const answer = await api.ask('DELETE', `/runs/${run.id}`, undefined, key);
  expect([answer.statusCode, answer.json()]).toEqual([
    200,
    {
      runs: 1,
      ...{ conversationId: null, events: 32, messages: 1, calls: 0, approvals: 0 },
      remains: expect.arrayContaining([expect.stringMatching(/^audit/), expect.stringMatching(/^Temporal/)]),
    },
  ]);
  const again = await api.ask('DELETE', `/runs/${run.id}`, undefined, key);
  expect([again.statusCode, again.headers['idempotent-replayed'], again.json()]).toEqual([
    200,
    'true',
    answer.json(),
  ]);
  for (const path of ['', '/events', '/stream', '/calls', '/diff'])
    expect((await api.ask('GET', `/runs/${run.id}${path}`)).statusCode).toBe(404);
  expect((await api.ask('DELETE', `/runs/${run.id}`)).statusCode).toBe(404);
  const conversation = `/conversations/${run.conversationId}`;
  expect((await api.ask('GET', `${conversation}/events`)).json()).toMatchObject({
    code: 'EventsFolded',
    floor: 32,
  });
  expect((await api.ask('GET', `${conversation}/events?after=32`)).json().items).toHaveLength(32);
  const audit = (await api.ask('GET', `/audit?runId=${run.id}`)).json<{ items: { action: string }[] }>();
  expect(audit.items[0]).toMatchObject({ action: 'run-delete', actor: 'first (api)' });
  // With its last run the conversation goes.
  expect((await api.ask('DELETE', `/runs/${other.id}`)).json()).toMatchObject({
    conversationId: run.conversationId,
  });
  expect((await api.ask('GET', conversation)).statusCode).toBe(404);
});

test('what is active, and what other runs go on from, is not deleted: the answer says what to do', async () => {
  const api = await createTestApp();
  const active = await startRun(api);
  const refused = await api.ask('DELETE', `/runs/${active.id}`);
  expect([refused.statusCode, refused.json()]).toEqual([
    409,
    expect.objectContaining({
      code: 'RunActive',
      activeRunId: active.id,
      detail: expect.stringMatching(/interrupt or cancel/),
    }),
  ]);
  const conversation = await api.ask('DELETE', `/conversations/${active.conversationId}`);
  expect([conversation.statusCode, conversation.json().activeRunId]).toEqual([409, active.id]);
  const { parent: lead, children } = await askingRun(storeOver('', api.database, api.log), 1);
  await endOfRun(api, lead);
  const [subagent] = children;
  const leading = await api.ask('DELETE', `/runs/${lead.id}`);
  expect([leading.statusCode, leading.json()]).toEqual([
    409,
    expect.objectContaining({
      code: 'RunActive',
      activeRunId: subagent?.id,
      detail: `Run ${subagent?.id}, a subagent of run ${lead.id}, is active: interrupt or cancel it, then delete run ${lead.id}.`,
    }),
  ]);
  const parent = await finished(api);
  const child = await finished(api, {});
  await api.database.pool.query('update runs set parent_id = $1 where id = $2', [parent.id, child.id]);
  for (const path of [`/runs/${parent.id}`, `/conversations/${parent.conversationId}`]) {
    const answer = await api.ask('DELETE', path);
    expect([answer.statusCode, answer.json()]).toEqual([
      409,
      expect.objectContaining({
        code: 'HasDescendants',
        descendants: [child.id],
        detail: expect.stringContaining(child.id),
      }),
    ]);
  }
  // What its undo reads would be gone in the middle of it.
  const rewinding = 'update runs set rewind_id = $1 where id = $2';
  await api.database.pool.query(rewinding, [randomUUID(), child.id]);
  for (const path of [`/runs/${child.id}`, `/conversations/${child.conversationId}`])
    expect((await api.ask('DELETE', path)).json()).toMatchObject({
      ...{ status: 409, code: 'RewindOpen', detail: expect.stringMatching(/try again when that is done/) },
    });
  await api.database.pool.query(rewinding, [null, child.id]);
  expect((await api.ask('DELETE', `/conversations/${child.conversationId}`)).json()).toMatchObject({
    runs: 1,
  });
  expect((await api.ask('DELETE', `/conversations/${parent.conversationId}`)).statusCode).toBe(200);
});

test('a run whose task has not seen its end stays, until the task has or is cancelled', async () => {
  const api = await createTestApp();
  const run = await finished(api);
  await ageRuns(api, 31);
  const task = (await api.ask('POST', '/tasks', { title: 'Mend it', prompt: 'Go.' })).json();
  await api.database.pool.query(
    `update tasks set status = 'in_progress', run_id = $1, executor_id = $1, claim = 1 where id = $2`,
    [run.id, task.id],
  );
  for (const path of [`/runs/${run.id}`, `/conversations/${run.conversationId}`])
    expect((await api.ask('DELETE', path)).json()).toMatchObject({
      ...{ status: 409, code: 'RunActive', activeRunId: run.id, detail: expect.stringContaining(task.id) },
    });
  const goes = async (): Promise<number | undefined> => {
    const { items } = (await api.ask('GET', '/prune?olderThanSeconds=86400&runs=true')).json<{
      items: RetentionRowView[];
    }>();
    return items.find(({ name }) => name === 'runs')?.goes?.rows;
  };
  expect(await goes()).toBe(0);
  expect((await api.ask('POST', `/tasks/${task.id}/cancel`)).json()).toMatchObject({ status: 'cancelled' });
  expect(await goes()).toBe(1);
  expect((await api.ask('DELETE', `/runs/${run.id}`)).json()).toMatchObject({ runs: 1 });
});

test('the plan says what is kept, why and by which setting, and a pruning removes exactly that, as the night does', async () => {
  const api = await createTestApp();
  await finished(api);
  await ageRuns(api, 31);
  const plan = async (query = '') => {
    const { items } = (await api.ask('GET', `/prune${query}`)).json<{ items: RetentionRowView[] }>();
    return new Map(items.map((item) => [item.name, item]));
  };
  expect((await plan()).get('events')).toMatchObject({
    kept: '30 days',
    setting: 'PERDURE_RETENTION_EVENTS_DAYS',
    goes: { rows: 30, more: false },
  });
  expect((await plan()).get('runs')).toMatchObject({ kept: 'for ever', goes: null });
  expect((await plan('?olderThanSeconds=86400&runs=true')).get('runs')?.goes?.rows).toBe(1);
  expect((await plan()).get('audit')).toMatchObject({ kept: 'for ever', setting: null, goes: null });
  for (const body of [
    { olderThanSeconds: 59 },
    { olderThanSeconds: '1d' },
    { runs: 'yes' },
    { older: 1 },
    { runs: true },
  ])
    expect((await api.ask('POST', '/prune', body)).statusCode).toBe(400);
  // Of the night first; what was asked for is carried out with the next pass.
  const tonight = new Date();
  await prune(api, tonight);
  const asked = await api.ask('POST', '/prune', { olderThanSeconds: 86_400, runs: true });
  expect(asked.statusCode).toBe(202);
  await prune(api, tonight);
  const done = (await api.ask('GET', `/prune/${asked.json().id}`)).json<PruningView>();
  expect(done.finishedAt).not.toBeNull();
  expect(done.items.find(({ name }) => name === 'runs')?.rows).toBe(1);
  const { rows } = await api.database.pool.query(
    `select removed -> 'events' ->> 'rows' as events, night is not null as nightly from prunings order by id`,
  );
  expect(rows).toEqual([
    { events: '30', nightly: true },
    { events: '0', nightly: false },
  ]);
  expect((await api.ask('GET', '/runs')).json().items).toEqual([]);
  expect(api.deps.retention).toEqual(usualRetention);
});
