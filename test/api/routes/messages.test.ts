import { expect, test } from 'vitest';
import { createClient } from '../../../api/client/client.ts';
import { listedCharacters, MessageView } from '../../../workflows/contracts/message-view.ts';
import { aCall, storeOver } from '../../support/store.ts';
import { createTestApp } from '../../support/test-app.ts';

test('what was said can be read in pages, of a run and of its conversation; what is only for the model cannot', async () => {
  const api = await createTestApp();
  const url = await api.listen();
  const client = createClient({ url, token: api.token });
  const store = storeOver('', api.database, api.log);
  const run = await store.started({ prompt: 'Mend it.' });
  const long = 'é'.repeat(listedCharacters + 1);
  await store.input(run, { kind: 'steer', messageId: 'a', text: 'Quickly.' });
  await store.step(run, 1, { text: long, calls: [aCall('1.0')] });
  await api.database.pool.query(
    `insert into messages (tenant_id, run_id, step, phase, position, role, internal, text)
     values ($1, $2, 1, 2, 9, 'user', true, 'Plan anew.')`,
    [api.tenantId, run.id],
  );
  await store.end(run);
  const { run: next } = await store.accept({ conversationId: run.conversation_id, prompt: 'And now?' });

  const { items } = await client.runMessages(run.id);
  for (const item of items) MessageView.parse(item);
  expect(items.map(({ id, role, text, length }) => [id, role, text.slice(0, 8), length])).toEqual([
    ['0.input.0', 'user', 'Mend it.', 8],
    ['1.input.0', 'user', 'Quickly.', 8],
    ['1.assistant.0', 'assistant', 'éééééééé', listedCharacters + 1],
    ['1.tool.0', 'tool', expect.any(String), expect.any(Number)],
  ]);
  expect(items.map(({ calls, callId }) => [calls, callId])).toEqual([
    [[], null],
    [[], null],
    [[{ callId: '1.0', tool: 'shell' }], null],
    [[], '1.0'],
  ]);
  expect(items[2]?.text).toHaveLength(listedCharacters);
  expect(await client.runMessage(run.id, '1.assistant.0')).toEqual({ ...items[2], text: long });
  await expect(client.runMessage(run.id, '1.tool.9')).rejects.toMatchObject({ status: 404 });

  const paged: string[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await client.conversationMessages(run.conversation_id, {
      limit: 2,
      ...(cursor !== undefined && { cursor }),
    });
    paged.push(...page.items.map(({ runId, id }) => `${runId} ${id}`));
    cursor = page.nextCursor;
  }
  expect(paged).toEqual([...items.map(({ id }) => `${run.id} ${id}`), `${next.id} 0.input.0`]);
  const foreign = await api.ask('GET', `/runs/${run.id}/messages?cursor=${run.id}`);
  expect([foreign.statusCode, foreign.json().code]).toEqual([400, 'InvalidCursor']);
});
