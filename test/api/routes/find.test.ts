import { v7 as uuid } from 'uuid';
import { expect, test } from 'vitest';
import { FoundListView } from '../../../workflows/contracts/find.ts';
import { createTestApp, type TestApp } from '../../support/test-app.ts';
import { endOfRun, startRun } from '../stream/streams.ts';
import { asks, waitingRun } from '../cli/waiting.ts';

async function idsOf(api: TestApp, kind: string, id: string): Promise<string[]> {
  const answer = await api.ask('GET', `/find?kind=${kind}&id=${id}`);
  expect(answer.statusCode).toBe(200);
  return FoundListView.parse(answer.json()).items.map((item) => item.id);
}

test('an id is found by its first letters, by its last eight and by the first letters of these', async () => {
  const api = await createTestApp();
  const first = await startRun(api, { prompt: 'x'.repeat(300) });
  const second = await startRun(api);
  for (const { id } of [first, second]) {
    const tail = id.slice(-8);
    for (const letters of [id, id.toUpperCase(), id.replaceAll('-', ''), tail, tail.slice(0, 6)])
      expect([letters, await idsOf(api, 'run', letters)]).toEqual([letters, [id]]);
  }
  // The beginning of an id is its time: both began in this minute.
  expect(await idsOf(api, 'run', first.id.slice(0, 6))).toEqual([second.id, first.id]);
  expect(await idsOf(api, 'conversation', first.conversationId.slice(-8))).toEqual([first.conversationId]);
  expect(await idsOf(api, 'conversation', first.id.slice(-8))).toEqual([]);
  const { items } = (await api.ask('GET', `/find?kind=run&id=${first.id}`)).json();
  expect(items).toEqual([
    { kind: 'run', id: first.id, text: 'x'.repeat(200), createdAt: expect.any(String) },
  ]);
  await api.log.db.updateTable('runs').set({ tenant_id: uuid() }).where('id', '=', first.id).execute();
  expect(await idsOf(api, 'run', first.id)).toEqual([]);
});

test('`last` is the newest run, the conversation that was used last, and what is open', async () => {
  const api = await createTestApp();
  expect(await idsOf(api, 'run', 'last')).toEqual([]);
  const first = await startRun(api);
  await endOfRun(api, first);
  const second = await startRun(api);
  const third = await startRun(api, { conversationId: first.conversationId });
  expect(await idsOf(api, 'run', 'last')).toEqual([third.id]);
  expect(await idsOf(api, 'conversation', 'last')).toEqual([first.conversationId]);
  expect(second.conversationId).not.toBe(first.conversationId);
  expect(await idsOf(api, 'dead-letter', 'last')).toEqual([]);
  const { approvals } = await waitingRun(api, [asks('make'), asks('make install')]);
  const [one, other] = approvals.map(({ id }) => id);
  expect(await idsOf(api, 'approval', 'last')).toEqual([other, one]);
  await api.ask('POST', `/approvals/${other}/deny`, {});
  expect(await idsOf(api, 'approval', 'last')).toEqual([one]);
});

test('letters that are none of an id are refused', async () => {
  const api = await createTestApp();
  for (const id of ['abc', 'nonsense', '----', '%25', '9b1f%25', 'latest', '0'.repeat(33)])
    expect([id, (await api.ask('GET', `/find?kind=run&id=${id}`)).statusCode]).toEqual([id, 400]);
});
