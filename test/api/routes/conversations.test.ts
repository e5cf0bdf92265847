import { expect, test } from 'vitest';
import {
  ConversationDetailView,
  ConversationListView,
  ConversationView,
  TurnListView,
} from '../../../workflows/contracts/conversation.ts';
import { createTestApp } from '../../support/test-app.ts';
import { endOfRun, startRun } from '../stream/streams.ts';

test('a busy conversation refuses, queues, steers or interrupts, as the message asks', async () => {
  const api = await createTestApp();
  const run = await startRun(api);
  await api.database.pool.query("update runs set status = 'running', execution_id = 'x'");
  const path = `/conversations/${run.conversationId}/messages`;
  const refused = await api.ask('POST', path, { prompt: 'and now?' });
  expect([refused.statusCode, refused.json().code, refused.json().activeRunId]).toEqual([
    409,
    'ConversationBusy',
    run.id,
  ]);
  const queued = (await api.ask('POST', path, { prompt: 'later', whenBusy: 'queue' })).json();
  expect(queued).toMatchObject({ status: 'queued', conversationId: run.conversationId });
  const steered = (await api.ask('POST', path, { prompt: 'also this', whenBusy: 'steer' })).json();
  expect(steered.id).toBe(run.id);
  const next = (await api.ask('POST', path, { prompt: 'stop that', whenBusy: 'interrupt' })).json();
  expect((await api.ask('GET', `/runs/${next.id}`)).json()).toMatchObject({ parked: true });
  expect(api.told).toEqual([`started ${run.id}`, `wake ${run.id}`, `wake ${run.id}`]);
});

test('one message id sent twice into a conversation is one run', async () => {
  const api = await createTestApp();
  const run = await startRun(api);
  const message = { prompt: 'later', whenBusy: 'queue', messageId: 'm-2' };
  const path = `/conversations/${run.conversationId}/messages`;
  const answers = await Promise.all([1, 2, 3].map(() => api.ask('POST', path, message)));
  expect(new Set(answers.map((answer) => answer.json().id)).size).toBe(1);
});

test('a conversation shows its runs, newest first, and which one is active', async () => {
  const api = await createTestApp();
  const first = await startRun(api, { prompt: 'Repair  the\n cart' });
  await endOfRun(api, first);
  const second = await startRun(api, { conversationId: first.conversationId });
  const answer = await api.ask('GET', `/conversations/${first.conversationId}`);
  const view = ConversationDetailView.parse(answer.json());
  expect(view).toMatchObject({ title: 'Repair the cart', activeRunId: second.id });
  expect(view.runs.map((run) => run.id)).toEqual([second.id, first.id]);
});

test('pages of conversations hold each once, whatever the page size', async () => {
  const api = await createTestApp();
  const made = [];
  for (let count = 0; count < 7; count += 1) made.push((await startRun(api)).conversationId);
  const seen: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const query: string = cursor === '' ? '' : `&cursor=${cursor}`;
    const page = ConversationListView.parse((await api.ask('GET', `/conversations?limit=3${query}`)).json());
    seen.push(...page.items.map((item) => item.id));
    cursor = page.nextCursor;
  }
  expect(seen).toEqual(made.toReversed());
});

test('a message into a conversation nobody has is refused', async () => {
  const api = await createTestApp();
  const id = '0193d5a0-7c1e-7b52-9f0e-2f6f0d3a9b11';
  const answer = await api.ask('POST', `/conversations/${id}/messages`, { prompt: 'hello' });
  expect([answer.statusCode, answer.json().code]).toEqual([404, 'NotFound']);
});

test('labels are merged and taken away, and find a conversation; an archived one comes back with a message', async () => {
  const api = await createTestApp();
  const run = await startRun(api, { prompt: 'Mend it.', metadata: { ticket: '12', team: 'shop' } });
  await startRun(api, { metadata: { ticket: '13' } });
  const path = `/conversations/${run.conversationId}`;
  const change = (body: object) => api.ask('PATCH', path, body);
  const listed = async (query = ''): Promise<string[]> => {
    const { items } = (await api.ask('GET', `/conversations?${query}`)).json<ConversationListView>();
    return items.map(({ title, metadata }) => `${title} ${JSON.stringify(metadata)}`);
  };
  const changed = await change({ title: 'The cart', metadata: { team: null, priority: 'high' } });
  expect(ConversationView.parse(changed.json())).toMatchObject({
    ...{ id: run.conversationId, title: 'The cart', archivedAt: null, activeRunId: run.id, parkedRuns: 0 },
    metadata: { ticket: '12', priority: 'high' },
  });
  const labels = (wanted: object): string => `metadata=${encodeURIComponent(JSON.stringify(wanted))}`;
  expect(await listed(labels({ ticket: '12' }))).toEqual(['The cart {"ticket":"12","priority":"high"}']);
  expect(await listed(labels({ ticket: '12', team: 'shop' }))).toEqual([]);
  expect((await change({ archived: true })).json()).toMatchObject({ archivedAt: expect.any(String) });
  expect([await listed(labels({ priority: 'high' })), await listed('archived=true')]).toEqual([
    [],
    ['The cart {"ticket":"12","priority":"high"}'],
  ]);
  await api.ask('POST', `${path}/messages`, { prompt: 'And now?', whenBusy: 'queue' });
  expect((await change({ metadata: null })).json()).toMatchObject({
    ...{ archivedAt: null, metadata: {}, parkedRuns: 1 },
  });
});

test('turns and runs are paged, newest first; the view has the latest run and the active one', async () => {
  const api = await createTestApp();
  const first = await startRun(api, { prompt: 'x'.repeat(20_001) });
  await endOfRun(api, first);
  const send = { conversationId: first.conversationId, whenBusy: 'queue' };
  const second = await startRun(api, { ...send, prompt: 'two' });
  const third = await startRun(api, { ...send, prompt: 'three' });
  const path = `/conversations/${first.conversationId}`;
  const pages: unknown[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const query: string = cursor === '' ? '' : `&cursor=${cursor}`;
    const page = TurnListView.parse((await api.ask('GET', `${path}/turns?limit=2${query}`)).json());
    pages.push(page.items.map(({ runId, parked, prompt }) => [runId, parked, prompt.length]));
    cursor = page.nextCursor;
  }
  expect(pages).toEqual([
    [
      [third.id, true, 5],
      [second.id, false, 3],
    ],
    [[first.id, false, 20_000]],
  ]);
  const { items } = (await api.ask('GET', `${path}/runs`)).json<{ items: { id: string }[] }>();
  expect(items.map(({ id }) => id)).toEqual([third.id, second.id, first.id]);
  const view = ConversationDetailView.parse((await api.ask('GET', path)).json());
  expect(view).toMatchObject({ latestRun: { id: third.id }, activeRun: { id: second.id }, parkedRuns: 1 });
  expect((await api.ask('GET', `/conversations/${first.id}/turns`)).statusCode).toBe(404);
});

test('settings of a conversation come before the run before and after the request, and hold their preset', async () => {
  const api = await createTestApp();
  const run = await startRun(api, { model: 'scripted/slow' });
  const path = `/conversations/${run.conversationId}`;
  await api.ask('POST', '/presets', { id: 'teller', name: 'Teller', policy: 'plan-readonly' });
  const settings = { preset: 'teller', model: 'scripted/hello', limits: { steps: 4 } };
  expect((await api.ask('PATCH', path, { settings })).json()).toMatchObject({ settings });
  const send = { conversationId: run.conversationId, whenBusy: 'queue', limits: { seconds: 60 } };
  const next = (await api.ask('GET', `/runs/${(await startRun(api, send)).id}`)).json();
  expect(next).toMatchObject({
    ...{ model: 'scripted/hello', policy: 'plan-readonly', preset: { id: 'teller', version: 1 } },
    limits: { steps: 4, seconds: 60 },
    sources: {
      ...{ preset: 'settings', model: 'settings', policy: 'preset', priority: 'conversation' },
      limits: { steps: 'settings', seconds: 'request' },
    },
  });
  const deleted = await api.ask('DELETE', '/presets/teller?version=1');
  expect([deleted.statusCode, deleted.json().conversationId]).toEqual([409, run.conversationId]);
  await api.ask('PATCH', path, { archived: true });
  expect((await api.ask('DELETE', '/presets/teller?version=1')).statusCode).toBe(204);
  const refused = await api.ask('POST', `${path}/messages`, { prompt: 'Go on.', whenBusy: 'queue' });
  expect([refused.statusCode, refused.json().detail]).toEqual([
    422,
    'There is no preset teller; GET /api/v1/presets lists them. The settings of the conversation say so: name another with preset, or change those.',
  ]);
});

test('what a conversation cannot have is refused, and changes nothing', async () => {
  const api = await createTestApp();
  const run = await startRun(api, { metadata: { ticket: '12' } });
  const path = `/conversations/${run.conversationId}`;
  const before = (await api.ask('GET', path)).json();
  const many = Object.fromEntries(Array.from({ length: 32 }, (_, index) => [`k${index}`, '']));
  const wrong: [object, number, string][] = [
    [{ metadata: many }, 400, 'InvalidInput'],
    [{ title: '' }, 400, 'InvalidInput'],
    [{ settings: { preset: 'none' } }, 422, 'UnknownPreset'],
    [{ settings: { model: 'nobody/none' } }, 422, 'UnknownModel'],
    [{ settings: { policy: 'none' }, title: 'New' }, 422, 'UnknownPolicy'],
  ];
  for (const [body, status, code] of wrong) {
    const answer = await api.ask('PATCH', path, body);
    expect([body, answer.statusCode, answer.json().code]).toEqual([body, status, code]);
  }
  for (const query of ['[1]', '{"a"', '{"a":1}', '{"a":"\\u0000"}'])
    expect(
      (await api.ask('GET', `/conversations?metadata=${encodeURIComponent(query)}`)).json(),
    ).toMatchObject({
      ...{ status: 400, detail: 'metadata must be a JSON object of texts, such as {"ticket":"12"}.' },
    });
  expect((await api.ask('GET', path)).json()).toEqual(before);
});
