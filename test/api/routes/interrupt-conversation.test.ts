// One interrupt for all that is at work in a conversation.
import { expect, test } from 'vitest';
import { listToWake } from '../../../activities/store/delegation/mailbox.ts';
import type { ReceiptView } from '../../../workflows/contracts/receipt.ts';
import { askingRun, delegatingRun } from '../../support/delegating.ts';
import { storeOver } from '../../support/store.ts';
import { createTestApp, type TestApp } from '../../support/test-app.ts';
import { endOfRun, startRun } from '../stream/streams.ts';

const interrupted = { status: 'interrupted', reason: 'interrupted' } as const;

async function testApp() {
  const api = await createTestApp();
  return { api, store: storeOver('', api.database, api.log) };
}

function interrupt(api: TestApp, conversationId: string, body?: object) {
  return api.ask('POST', `/conversations/${conversationId}/interrupt`, body);
}

function receiptsFor(ids: string[], messageId: string, status: ReceiptView['status'] = 'accepted') {
  return ids.map((runId) => ({ runId, messageId, status, step: null }));
}

async function statusOf(api: TestApp, id: string): Promise<string> {
  return (await api.ask('GET', `/runs/${id}`)).json().status;
}

async function inputsOf(api: TestApp): Promise<unknown[]> {
  return api.database.db
    .selectFrom('inputs')
    .select(['run_id', 'kind', 'message_id'])
    .orderBy('run_id')
    .orderBy('id')
    .execute();
}

test('it reaches the main run, all subagents and side questions, each once, and no other conversation', async () => {
  const { api, store } = await testApp();
  const { parent, children } = await askingRun(store, 2);
  const conversationId = parent.conversation_id;
  const aside = (await api.ask('POST', `/conversations/${conversationId}/ask`, { prompt: 'Why?' })).json();
  await store.begin(await store.run(aside.id));
  // One that makes a title is left to make it.
  const { id } = (
    await api.ask('POST', `/conversations/${conversationId}/ask`, { prompt: 'Name it.' })
  ).json();
  await api.database.db.updateTable('runs').set({ kind: 'title' }).where('id', '=', id).execute();
  const { parent: other, child: inline } = await delegatingRun(store);
  await store.begin(inline);
  api.told.length = 0;
  const answer = await interrupt(api, conversationId, { messageId: 'stop-1' });
  const reached = [parent.id, ...children.map(({ id }) => id), aside.id];
  expect([answer.statusCode, answer.json()]).toEqual([
    202,
    { conversationId, items: receiptsFor(reached, 'stop-1') },
  ]);
  expect(api.told.toSorted()).toEqual(reached.map((id) => `wake ${id}`).sort());
  expect(await inputsOf(api)).toEqual(
    reached.map((run_id) => ({ run_id, kind: 'interrupt', message_id: 'stop-1' })),
  );
  const third = await interrupt(api, other.conversation_id);
  expect(third.json().items.map(({ runId }: ReceiptView) => runId)).toEqual([other.id, inline.id]);
});

test('a message that waits for its turn gets it, whether the run before it had begun or not', async () => {
  const { api, store } = await testApp();
  for (const begun of [false, true]) {
    const run = await startRun(api);
    const { conversationId } = run;
    const parked = await startRun(api, { conversationId, whenBusy: 'queue' });
    if (begun) await store.begin(await store.run(run.id));
    const answer = await interrupt(api, conversationId, { messageId: 'stop-1' });
    expect(answer.json().items).toEqual(receiptsFor([run.id], 'stop-1'));
    if (begun) await store.end(await store.run(run.id), interrupted);
    const next = await store.run(parked.id);
    expect([await statusOf(api, run.id), next.parked, next.status]).toEqual(['interrupted', false, 'queued']);
  }
});

test('where no run is active it is refused, and says so', async () => {
  const { api } = await testApp();
  const run = await startRun(api);
  await endOfRun(api, run);
  const answer = await interrupt(api, run.conversationId);
  expect([answer.statusCode, answer.json().code, answer.json().detail]).toEqual([
    409,
    'ConversationIdle',
    `There is nothing to interrupt in conversation ${run.conversationId}.`,
  ]);
  const unknown = await interrupt(api, '0193d5a0-7c1e-7b52-9f0e-2f6f0d3a9b11');
  expect([unknown.statusCode, unknown.json().code]).toEqual([404, 'NotFound']);
});

test('the same message id again says what became of it, and stops no run that began since', async () => {
  const { api, store } = await testApp();
  const { parent, children } = await askingRun(store, 1);
  const ids = [parent, ...children].map(({ id }) => id);
  const stop = { messageId: 'stop-1' };
  const both = await Promise.all([1, 2].map(() => interrupt(api, parent.conversation_id, stop)));
  for (const answer of both)
    expect([answer.statusCode, answer.json().items]).toEqual([202, receiptsFor(ids, 'stop-1')]);
  expect((await inputsOf(api)).length).toBe(2);
  for (const run of [...children, parent]) await store.end(await store.run(run.id), interrupted);
  const next = await startRun(api, { conversationId: parent.conversation_id });
  const again = await interrupt(api, parent.conversation_id, stop);
  expect([again.statusCode, again.json().items]).toEqual([202, receiptsFor(ids, 'stop-1', 'applied')]);
  expect(await statusOf(api, next.id)).toBe('queued');
});

test('two at once with ids of their own are both accepted, and each run ends once', async () => {
  const { api, store } = await testApp();
  const { parent, children } = await askingRun(store, 3);
  const all = [parent, ...children];
  const answers = await Promise.all(
    ['a', 'b', 'c', 'd'].map((messageId) => interrupt(api, parent.conversation_id, { messageId })),
  );
  expect(answers.map((answer) => [answer.statusCode, answer.json().items.length])).toEqual(
    answers.map(() => [202, 4]),
  );
  for (const run of all) await store.end(await store.run(run.id), interrupted);
  for (const run of all) {
    const types = (await store.events(run)).map(({ type }) => type);
    expect(types.filter((type) => type === 'run-end')).toEqual(['run-end']);
  }
});

test('it holds its own while its runs end and messages come, with no deadlock', async () => {
  const { api, store } = await testApp();
  for (let round = 0; round < 8; round += 1) {
    const { parent, children } = await askingRun(store, 3);
    const conversationId = parent.conversation_id;
    const [answer, sent] = await Promise.all([
      interrupt(api, conversationId),
      api.ask('POST', `/conversations/${conversationId}/messages`, { prompt: 'More.', whenBusy: 'queue' }),
      ...children.map((child) => store.end(child)),
      store.end(parent, interrupted),
    ]);
    expect([202, 409]).toContain(answer.statusCode);
    expect(sent.statusCode).toBe(202);
  }
});

test.each([
  ['does not go on by itself with what its subagents report then', false],
  ['goes on by itself where a message had been waiting for its turn', true],
])('the conversation %s', async (_name, queued) => {
  const { api, store } = await testApp();
  const { parent, children } = await askingRun(store, 1, { wakeUp: 'auto' });
  const conversationId = parent.conversation_id;
  const parked = queued ? await startRun(api, { conversationId, whenBusy: 'queue' }) : undefined;
  expect((await interrupt(api, conversationId)).statusCode).toBe(202);
  await store.end(await store.run(parent.id), interrupted);
  for (const child of children) await store.end(await store.run(child.id), interrupted);
  if (parked) await endOfRun(api, parked);
  const toWake = async () => (await listToWake(api.database.db, 10)).map(({ id }) => id);
  expect(await toWake()).toEqual(queued ? [conversationId] : []);
  if (queued) return;
  // Once a person has said something it may again.
  const more = await askingRun(store, 1, { conversationId });
  await store.end(more.parent);
  await store.step(more.children[0] ?? parent, 1, { text: 'Done.' });
  await store.end(more.children[0] ?? parent);
  expect(await toWake()).toEqual([conversationId]);
});
