import { expect, test } from 'vitest';
import { ConversationDetailView, ConversationListView } from '../../../workflows/contracts/conversation.ts';
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
