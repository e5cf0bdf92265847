import { expect, test } from 'vitest';
import { aCall, anAttempt, openTestStore } from '../../../support/store.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import type { Kept } from '../../../../workflows/contracts/message.ts';
import { readContext } from '../../../../activities/store/runs/messages.ts';

const store = await openTestStore();
const { database } = store;

async function context(runId: string, tenantId = defaultTenant) {
  return readContext(database.db, tenantId, runId);
}

test('the context of a run is that of the runs it goes on from, first to last, and then its own', async () => {
  const first = await store.started({ prompt: 'One.' });
  await store.step(first, 1, { text: 'Answer one.', calls: [aCall('1.0')] });
  await store.claim(anAttempt(first, 'call/1.0'));
  await store.record(anAttempt(first, 'call/1.0'), { output: 'result' });
  await store.end(first);
  const next = { conversationId: first.conversation_id };
  const failed = await store.started({ ...next, prompt: 'Two.' });
  await store.step(failed, 1, { text: 'Never seen again.' });
  await store.end(failed, { status: 'failed', reason: 'model_failed' });
  const second = await store.started({ ...next, prompt: 'Three.' });
  await store.step(second, 1, { text: 'Answer three.' });
  await store.end(second);
  const third = await store.started({ ...next, prompt: 'Four.' });

  const plain = { internal: false, calls: undefined, callId: undefined, failed: false, position: 0 };
  const user = { ...plain, phase: 'input', role: 'user' };
  const assistant = { ...plain, phase: 'assistant', role: 'assistant' };
  expect(await context(third.id)).toEqual([
    { ...user, runId: first.id, step: 0, text: 'One.' },
    {
      ...assistant,
      runId: first.id,
      step: 1,
      text: 'Answer one.',
      calls: [{ callId: '1.0', name: 'shell', input: '{"command":"true"}' }],
    },
    { ...plain, phase: 'tool', role: 'tool', runId: first.id, step: 1, text: 'result', callId: '1.0' },
    { ...user, runId: second.id, step: 0, text: 'Three.' },
    { ...assistant, runId: second.id, step: 1, text: 'Answer three.' },
    { ...user, runId: third.id, step: 0, text: 'Four.' },
  ]);
});

test('what came with an answer is read back with it, as it was', async () => {
  const run = await store.started();
  const kept: Kept = {
    source: 'anthropic/x',
    parts: [{ type: 'reasoning', text: 'Hm.', options: { anthropic: { signature: 'c2ln' } } }],
    fields: { extra_content: { google: { thought_signature: 'x' } } },
  };
  await store.step(run, 1, { text: 'Said.', kept });
  expect((await context(run.id)).map((message) => message.kept)).toEqual([undefined, kept]);
});

test('a chain of two hundred runs is read whole and in order', async () => {
  let conversationId: string | undefined;
  let last = '';
  const prompts = Array.from({ length: 200 }, (_, index) => `prompt ${index}`);
  for (const prompt of prompts) {
    const run = await store.started(conversationId === undefined ? { prompt } : { prompt, conversationId });
    await store.end(run);
    conversationId = run.conversation_id;
    last = run.id;
  }
  expect((await context(last)).map(({ text }) => text)).toEqual(prompts);
});

test('another tenant reads nothing', async () => {
  const run = await store.started();
  expect(await context(run.id, '00000000-0000-0000-0000-000000000001')).toEqual([]);
});
