import { expect, test } from 'vitest';
import { sendMessage } from '../../../api/verbs/send-message.ts';
import { steerRun } from '../../../api/verbs/steer-run.ts';
import { stopRun } from '../../../api/verbs/stop-run.ts';
import { type Caller, perform, type Verb } from '../../../api/verbs/verb.ts';
import type { Event } from '../../../workflows/contracts/event.ts';
import { createTestApp } from '../../support/test-app.ts';

/** The API's parts in the hands of a face that speaks no HTTP, as a chat's gateway is. */
async function openChat() {
  const api = await createTestApp();
  const ada: Caller = { tenantId: api.tenantId, name: 'Ada', surface: 'chat', requestId: 'update-7' };
  const make = async <Input, Body>(verb: Verb<Input, Body>, input: Input): Promise<Body> => {
    const { body } = await perform(api.log, 'chat', (write) => verb(api.deps, write, ada, input));
    return body;
  };
  return { api, make };
}

test('a caller without HTTP starts a run, says something into it and stops it, under its own name', async () => {
  const { api, make } = await openChat();
  const run = await make(sendMessage, { prompt: 'Say hello.' });
  expect(run).toEqual({ id: run.id, conversationId: run.conversationId, status: 'queued', became: 'run' });
  const steered = await make(steerRun, { runId: run.id, text: 'Louder.', messageId: 'update-8' });
  expect(steered).toEqual({ runId: run.id, messageId: 'update-8', status: 'accepted', step: null });
  const stopped = await make(stopRun, { runId: run.id, kind: 'interrupt' });
  const { messageId } = stopped;
  expect(stopped).toEqual({ runId: run.id, messageId, status: 'accepted', step: null });
  expect(messageId).toMatch(/^[0-9a-f-]{36}$/);
  expect(api.told).toEqual([`started ${run.id}`, `wake ${run.id}`]);
  const { items } = (await api.ask('GET', `/runs/${run.id}/events`)).json() as { items: Event[] };
  expect(items.flatMap(({ type, payload }) => ('by' in payload ? [[type, payload.by]] : []))).toEqual([
    ['run-queued', 'Ada (chat)'],
    ['steer-request', 'Ada (chat)'],
    ['interrupt-request', 'Ada (chat)'],
  ]);
});

test('a message that comes twice at once is one run, without any key', async () => {
  const { api, make } = await openChat();
  const message = { prompt: 'Say hello.', messageId: 'update-9' };
  const runs = await Promise.all([1, 2, 3, 4].map(() => make(sendMessage, message)));
  expect(new Set(runs.map((run) => run.id)).size).toBe(1);
  expect(api.told).toEqual([`started ${runs[0]?.id}`]);
});

test('what is refused is a failure that any face can tell', async () => {
  const { api, make } = await openChat();
  const runId = '0193d5a0-7c1e-7b52-9f0e-2f6f0d3a9b11';
  await expect(make(steerRun, { runId, text: 'Louder.' })).rejects.toMatchObject({
    code: 'NotFound',
    message: `There is no run ${runId}.`,
  });
  expect(api.told).toEqual([]);
});
