// Forks, other answers to the same message, and going on from an earlier run: which run is the parent, and what is shown.
import { expect, test } from 'vitest';
import { readContext } from '../../../activities/store/runs/messages.ts';
import { besideRun, storeOver, type TestStore } from '../../support/store.ts';
import type { TurnView } from '../../../workflows/contracts/conversation.ts';
import { createTestApp, type TestApp } from '../../support/test-app.ts';
import { startRun } from '../stream/streams.ts';

interface Talk {
  api: TestApp;
  store: TestStore;
  conversationId: string;
  path: string;
  /** Says something and ends its run; answers the run. */
  say(prompt: string, more?: object, status?: 'succeeded' | 'failed'): Promise<string>;
  end(runId: string, status?: 'succeeded' | 'failed' | 'cancelled'): Promise<void>;
  contextOf(runId: string): Promise<string[]>;
  turns(): Promise<TurnView[]>;
  head(): Promise<string | null>;
}

async function talk(first = 'one'): Promise<Talk> {
  const api = await createTestApp();
  const store = storeOver('', api.database, api.log);
  const run = await startRun(api, { prompt: first, metadata: { ticket: '1' } });
  const { conversationId } = run;
  const path = `/conversations/${conversationId}`;
  const end: Talk['end'] = async (runId, status = 'succeeded') => {
    const row = await store.run(runId);
    await store.begin(row);
    await store.end(row, { status });
  };
  await end(run.id);
  return {
    ...{ api, store, conversationId, path, end },
    async say(prompt, more = {}, status) {
      const answer = await api.ask('POST', `${path}/messages`, { prompt, ...more });
      expect(answer.statusCode, answer.body).toBe(202);
      await end(answer.json().id, status);
      return answer.json().id;
    },
    contextOf: async (runId) =>
      (await readContext(api.database.db, api.tenantId, runId)).map(({ text }) => text),
    turns: async () => (await api.ask('GET', `${path}/turns`)).json().items,
    head: async () => (await api.ask('GET', path)).json().headRunId,
  };
}

test('a fork goes on from a chosen run in a conversation of its own, with its settings, and leaves the other as it is', async () => {
  const { api, path, conversationId, say, turns, head, contextOf, end } = await talk();
  const [first] = await turns();
  const second = await say('two', { model: 'scripted/other', owner: 'ada' });
  const before = (await api.ask('GET', path)).json();
  const forked = await api.ask('POST', `${path}/fork`, { prompt: 'instead', fromRunId: first?.runId });
  expect(forked.statusCode, forked.body).toBe(202);
  const run = (await api.ask('GET', `/runs/${forked.json().id}`)).json();
  expect(run).toMatchObject({ parentId: first?.runId, model: 'scripted/hello', owner: null, metadata: {} });
  expect(run.conversationId).not.toBe(conversationId);
  expect(await contextOf(run.id)).toEqual(['one', 'instead']);
  expect((await api.ask('GET', path)).json()).toEqual(before);
  const usual = (await api.ask('POST', `${path}/fork`, { prompt: 'as it is', metadata: { a: 'b' } })).json();
  const later = (await api.ask('GET', `/runs/${usual.id}`)).json();
  expect(later).toMatchObject({
    parentId: second,
    model: 'scripted/other',
    owner: 'ada',
    metadata: { a: 'b' },
  });
  const fork = (await api.ask('GET', `/conversations/${usual.conversationId}`)).json();
  expect(fork).toMatchObject({
    ...{ title: 'as it is', metadata: { a: 'b' }, headRunId: second, activeRunId: usual.id },
    forkedFrom: { conversationId, runId: second },
  });
  expect((await turns()).map(({ runId, forks }) => [runId, forks])).toEqual([
    [second, [{ conversationId: usual.conversationId, runId: usual.id }]],
    [first?.runId, [{ conversationId: run.conversationId, runId: run.id }]],
  ]);
  expect(await head()).toBe(second);
  // Its first run fails: the next one goes on from the same place.
  await end(usual.id, 'failed');
  const again = await api.ask('POST', `/conversations/${usual.conversationId}/messages`, { prompt: 'again' });
  expect(await contextOf(again.json().id)).toEqual(['one', 'two', 'again']);
});

test('a message is answered anew beside the answer there is, which counts until the new one is there', async () => {
  const { api, path, say, turns, head, contextOf, end, store } = await talk();
  const second = await say('two', { metadata: { sort: 'x' }, limits: { steps: 7 } });
  const anew = async (body: object = {}) => {
    const answer = await api.ask('POST', `${path}/regenerate`, body);
    expect(answer.statusCode, answer.body).toBe(202);
    return answer.json().id as string;
  };
  const third = await anew({ model: 'scripted/other' });
  expect((await api.ask('GET', `/runs/${third}`)).json()).toMatchObject({
    ...{ prompt: 'two', model: 'scripted/other', metadata: { sort: 'x' }, alternativeOf: second },
    limits: { steps: 7 },
  });
  expect((await store.events({ id: third }))[0]).toMatchObject({ payload: { alternativeOf: second } });
  expect(await contextOf(third)).toEqual(['one', 'two']);
  await end(third, 'failed');
  expect(await head()).toBe(second);
  const fourth = await anew({ runId: third });
  await end(fourth);
  expect(await head()).toBe(fourth);
  const next = await say('three');
  expect(await contextOf(next)).toEqual(['one', 'two', 'three']);
  const [first] = (await turns()).slice(-1);
  expect(
    (await turns()).map((turn) => [turn.runId, turn.parentId, turn.inContext, turn.alternatives]),
  ).toEqual([
    [next, fourth, true, []],
    [fourth, first?.runId, true, [second, third]],
    [third, first?.runId, false, [second, fourth]],
    [second, first?.runId, false, [third, fourth]],
    [first?.runId, null, true, []],
  ]);
  // The earlier answer is taken up again by going on from it.
  expect(await contextOf(await say('four', { fromRunId: second }))).toEqual(['one', 'two', 'four']);
  // The first message has nothing before it.
  const root = await anew({ runId: first?.runId });
  expect(await contextOf(root)).toEqual(['one']);
});

test('a conversation goes on from an earlier run, also when the next one fails; what was after stays readable', async () => {
  const { api, path, say, turns, head, contextOf } = await talk();
  const [first] = await turns();
  const second = await say('two', { model: 'scripted/other' });
  const failed = await say('three', { fromRunId: first?.runId }, 'failed');
  expect((await api.ask('GET', `/runs/${failed}`)).json().model).toBe('scripted/hello');
  expect(await head()).toBe(first?.runId);
  const next = await say('four');
  expect(await contextOf(next)).toEqual(['one', 'four']);
  expect((await turns()).map(({ runId, inContext }) => [runId, inContext])).toEqual([
    [next, true],
    [failed, false],
    [second, false],
    [first?.runId, true],
  ]);
  const { items } = (await api.ask('GET', `${path}/messages`)).json();
  expect(items.map(({ text }: { text: string }) => text)).toEqual(['one', 'two', 'three', 'four']);
});

test('what branches while a run is active is refused with its name, waits for its turn, or interrupts', async () => {
  const { api, path, say, turns, contextOf, end, store } = await talk();
  const [first] = await turns();
  await say('two');
  const active = (await api.ask('POST', `${path}/messages`, { prompt: 'three' })).json().id;
  await store.begin(await store.run(active));
  const ways: [path: string, body: object][] = [
    ['messages', { prompt: 'x', fromRunId: first?.runId }],
    ['regenerate', {}],
    ['regenerate', { runId: first?.runId }],
  ];
  for (const [way, body] of ways) {
    const answer = await api.ask('POST', `${path}/${way}`, body);
    expect([answer.statusCode, answer.json().code, answer.json().activeRunId]).toEqual([
      ...[409, 'ConversationBusy', active],
    ]);
  }
  const queue = { whenBusy: 'queue' };
  const back = (
    await api.ask('POST', `${path}/messages`, { prompt: 'x', fromRunId: first?.runId, ...queue })
  ).json();
  const after = (await api.ask('POST', `${path}/messages`, { prompt: 'y', ...queue })).json();
  const anew = (await api.ask('POST', `${path}/regenerate`, { whenBusy: 'interrupt' })).json();
  await end(active);
  expect(await contextOf(back.id)).toEqual(['one', 'x']);
  await end(back.id, 'failed');
  expect(await contextOf(after.id)).toEqual(['one', 'y']);
  await end(after.id);
  expect(await contextOf(anew.id)).toEqual(['one', 'two', 'three']);
});

test('a message that names the run it goes on from and is interrupted before its turn does not move the conversation', async () => {
  const { api, path, say, turns, contextOf, end, head, store } = await talk();
  const [first] = await turns();
  const second = await say('two');
  const active = (await api.ask('POST', `${path}/messages`, { prompt: 'three' })).json().id;
  await store.begin(await store.run(active));
  const body = { prompt: 'x', fromRunId: first?.runId, whenBusy: 'queue' };
  const parked = (await api.ask('POST', `${path}/messages`, body)).json();
  expect((await api.ask('POST', `/runs/${parked.id}/interrupt`, {})).statusCode).toBe(202);
  expect([(await store.run(parked.id)).status, await head()]).toEqual(['interrupted', second]);
  await end(active, 'failed');
  expect(await contextOf(await say('four'))).toEqual(['one', 'two', 'four']);
});

test('an answer says what the message has become, also when it is sent again', async () => {
  const { api, path, end, store } = await talk();
  const send = async (messageId: string, whenBusy = 'reject') => {
    const body = { prompt: messageId, messageId, whenBusy };
    const { id, became } = (await api.ask('POST', `${path}/messages`, body)).json();
    return [id, became];
  };
  const [active] = await send('a');
  await store.begin(await store.run(active));
  const [parked] = await send('b', 'queue');
  const cases = () => Promise.all([send('a'), send('b', 'queue'), send('c', 'steer')]);
  const before = [
    [active, 'run'],
    [parked, 'parked'],
    [active, 'steered'],
  ];
  expect([await cases(), await cases()]).toEqual([before, before]);
  const [waiting, became] = await send('d', 'interrupt');
  expect(became).toBe('parked');
  await end(active, 'cancelled');
  const steer = async (runId: string, messageId: string) =>
    (await api.ask('POST', `/runs/${runId}/steer`, { text: 'x', messageId })).json();
  // The run ended before it was heard; sent again, it waits behind the one whose turn it is.
  const refused = { runId: active, messageId: 'c', status: 'refused', step: null };
  expect(await steer(active, 'c')).toEqual(refused);
  const [again, now] = await send('c', 'queue');
  expect([now, await steer(active, 'c')]).toEqual(['parked', { ...refused, became: again }]);
  expect(await send('b', 'queue')).toEqual([parked, 'run']);
  // One that had not begun ends at once, and the next has its turn.
  await end(parked);
  expect(await send('d')).toEqual([waiting, 'run']);
  await end(waiting);
  await end(again);
  const [queued] = await send('e');
  const [next, turn] = await send('f', 'interrupt');
  expect([(await store.run(queued)).status, next === queued, turn]).toEqual(['interrupted', false, 'run']);
});

test('no run goes on from one that left nothing, is active, is a subagent’s or of elsewhere', async () => {
  const { api, path, say, store, conversationId } = await talk();
  const other = await startRun(api);
  const failed = await say('two', {}, 'failed');
  const active = (await api.ask('POST', `${path}/messages`, { prompt: 'three' })).json().id;
  const [child] = await besideRun(store, await store.run(active), 1);
  await store.end(await store.run(child?.id ?? ''));
  const refused: [fromRunId: string | undefined, status: number, code: string][] = [
    [failed, 422, 'NothingToGoOnFrom'],
    [active, 409, 'RunActive'],
    [child?.id, 422, 'NotRunnable'],
    [other.id, 404, 'NotFound'],
    ['0193d5a0-7c1e-7b52-9f0e-2f6f0d3a9b11', 404, 'NotFound'],
  ];
  for (const [fromRunId, status, code] of refused) {
    for (const [way, body] of [
      [`${path}/fork`, { prompt: 'x', fromRunId }],
      [`${path}/messages`, { prompt: 'x', fromRunId, whenBusy: 'queue' }],
      ['/runs', { prompt: 'x', fromRunId, conversationId, whenBusy: 'interrupt' }],
    ] as const) {
      const answer = await api.ask('POST', way, body);
      expect([way, fromRunId, answer.statusCode, answer.json().code]).toEqual([way, fromRunId, status, code]);
    }
  }
  const steer = await api.ask('POST', `${path}/messages`, {
    prompt: 'x',
    fromRunId: failed,
    whenBusy: 'steer',
  });
  expect([steer.statusCode, steer.json().fields[0].path]).toEqual([400, 'fromRunId']);
  const anew = await api.ask('POST', `${path}/regenerate`, { runId: child?.id, whenBusy: 'queue' });
  expect([anew.statusCode, anew.json().code]).toEqual([422, 'NotRunnable']);
  const empty = await api.ask('POST', `/conversations/${other.conversationId}/fork`, { prompt: 'x' });
  expect([empty.statusCode, empty.json().code]).toEqual([422, 'NotRunnable']);
});

test('a run that a fork goes on from is not deleted; a conversation whose head is deleted goes on from before it', async () => {
  const { api, path, say, turns, head } = await talk();
  const [first] = await turns();
  const second = await say('two');
  const fork = (await api.ask('POST', `${path}/fork`, { prompt: 'x' })).json();
  const refused = await api.ask('DELETE', `/runs/${second}`);
  expect([refused.statusCode, refused.json().descendants]).toEqual([409, [fork.id]]);
  const third = await say('three');
  expect((await api.ask('DELETE', `/runs/${third}`)).statusCode).toBe(200);
  expect(await head()).toBe(second);
  const other = await say('other', { fromRunId: first?.runId });
  await api.ask('DELETE', `/runs/${other}`);
  expect(await head()).toBe(first?.runId);
});
