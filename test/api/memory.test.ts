// What people keep for later runs, list and delete: over HTTP and on the command line.
import { expect, test } from 'vitest';
import { createTestApp } from '../support/test-app.ts';
import { perdure } from './cli/captured.ts';

test('a text is kept for a preset or a conversation, found by its words, and deleted', async () => {
  const api = await createTestApp();
  const { conversationId } = (await api.ask('POST', '/runs', { prompt: 'Say hello.' })).json();
  const add = async (body: object) => {
    const { statusCode, ...answer } = await api.ask('POST', '/memory', body);
    return { statusCode, ...answer.json<{ id: string; code?: string }>() };
  };
  const first = await add({ preset: 'coder', text: 'Amounts are rounded half to even.' });
  const second = await add({ conversationId, text: 'The person is called Ada.' });
  expect(first).toMatchObject({ statusCode: 201, scope: 'preset', key: 'coder', createdBy: 'first (api)' });
  const texts = async (query: string) =>
    (await api.ask('GET', `/memory${query}`))
      .json<{ items: { text: string }[] }>()
      .items.map(({ text }) => text);
  expect(await texts('')).toEqual(['The person is called Ada.', 'Amounts are rounded half to even.']);
  expect(await texts('?preset=coder')).toEqual(['Amounts are rounded half to even.']);
  expect(await texts('?find=how%20to%20round%20an%20amount')).toEqual(['Amounts are rounded half to even.']);
  expect(await texts(`?preset=coder&conversationId=${conversationId}&limit=1`)).toEqual([
    'The person is called Ada.',
  ]);
  expect(await texts('?find=the%20of')).toEqual([]);
  const gone = async () => (await api.ask('DELETE', `/memory/${second.id}`)).statusCode;
  expect([await gone(), await gone()]).toEqual([204, 404]);
  expect([
    (await add({ preset: 'nobody-knows', text: 'x' })).code,
    (await add({ conversationId: second.id, text: 'x' })).code,
    (await add({ text: 'x' })).code,
    (await add({ preset: 'coder', text: 'x'.repeat(2_001) })).code,
  ]).toEqual(['UnknownPreset', 'NotFound', 'InvalidInput', 'InvalidInput']);
  // It goes with its conversation.
  await add({ conversationId, text: 'The person is called Ada.' });
  await api.database.db.updateTable('runs').set({ status: 'failed', ended_at: new Date() }).execute();
  await api.database.db.updateTable('allowance_runs').set({ closed_at: new Date() }).execute();
  expect((await api.ask('DELETE', `/conversations/${conversationId}`)).statusCode).toBeLessThan(300);
  expect(await texts('')).toEqual(['Amounts are rounded half to even.']);
});

test('of one preset there are five hundred texts at most', async () => {
  const api = await createTestApp();
  await api.database.db
    .insertInto('memory')
    .values(
      Array.from({ length: 500 }, (_, index) => ({
        ...{ id: `00000000-0000-7000-8000-${String(index).padStart(12, '0')}`, tenant_id: api.tenantId },
        ...{ scope: 'preset', key: 'coder', text: 'x', created_by: 'test' },
      })),
    )
    .execute();
  expect((await api.ask('POST', '/memory', { preset: 'coder', text: 'y' })).json()).toMatchObject({
    code: 'NotRunnable',
    detail: 'The memory of preset coder has 500 texts, the most there may be.',
  });
});

test('the command line lists, adds and deletes', async () => {
  const api = await createTestApp();
  const environment = { PERDURE_URL: await api.listen(), PERDURE_TOKEN: api.token };
  const call = async (...args: string[]): Promise<string> => {
    const called = perdure(['memory', ...args], { environment });
    return `${await called.code} ${called.out()}${called.err()}`;
  };
  expect(await call()).toBe('0 Nothing is kept.\n');
  expect(await call('add', 'Be brief.')).toBe(
    '2 perdure: Say whose later runs are told of it: --conversation or --preset.\n',
  );
  const [, id = ''] = /Kept as (\S+)\./.exec(await call('add', 'Be brief.', '--preset', 'coder')) ?? [];
  expect(await call()).toMatch(new RegExp(`${id} +preset coder .* Be brief\\.`));
  expect(await call('delete', id)).toBe('0 Deleted.\n');
  expect(await call('list', '--preset', 'coder')).toBe('0 Nothing is kept.\n');
});
