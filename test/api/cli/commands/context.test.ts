// What a model was sent, as a person sees it.
import { expect, test } from 'vitest';
import type { ModelUse } from '../../../../activities/store/lifecycle/answers.ts';
import { addSummary } from '../../../../activities/store/runs/messages.ts';
import { ContextView } from '../../../../workflows/contracts/context.ts';
import type { Summary } from '../../../../workflows/contracts/message.ts';
import { anAttempt, storeOver } from '../../../support/store.ts';
import { perdure, startApi } from '../captured.ts';

test('attachments that a request has no room for any more are said to be left out', async () => {
  const { api } = await startApi();
  const store = storeOver('', api.database, api.log);
  let conversation = {};
  let last = '';
  for (const name of ['one.png', 'two.png']) {
    const part = { type: 'binary', mode: 'inline', name, mediaType: 'image/png', content: name } as const;
    const run = await store.started({ ...conversation, parts: [{ ...part, size: 13 * 2 ** 20 }] });
    await store.step(run, 1);
    await store.end(run);
    conversation = { conversationId: run.conversation_id };
    last = run.id;
  }
  expect((await api.ask('GET', `/runs/${last}/context`)).json().leftOut).toEqual([
    { what: 'one.png (13631488 bytes)', why: 'Newer attachments fill what a request may carry.' },
  ]);
});

test('a step shows its prompt by part, what was cached, and what a summary stands for', async () => {
  const { api, environment } = await startApi();
  const store = storeOver('', api.database, api.log);
  const first = await store.started({ prompt: 'Find the bug.' });
  await store.step(first, 1, { text: 'It is in the cart.' });
  await store.end(first);
  const next = { conversationId: first.conversation_id, prompt: 'Mend it.' };
  const run = await store.started(next);
  const about: Summary = {
    ...{
      kind: 'summary',
      covers: { runId: first.id, step: 1 },
      messages: 2,
      words: ['Find the bug.'],
      leftOut: 1,
    },
    ...{ model: 'scripted/hello', window: 1000, before: 900, after: 100, refused: false },
  };
  await addSummary(api.database.db, run, { step: 1, text: 'It looked for a bug.', about });
  const attempt = anAttempt(run, 'model/1');
  await store.open(attempt);
  const block = { part: 'block' as const, name: 'clock', tokens: 6, text: 'Date: 2026-03-01' };
  const prompt = { window: 1000, tokens: 106, parts: [{ part: 'system' as const, tokens: 100 }, block] };
  const use: ModelUse = {
    ...{
      model: 'scripted/hello',
      status: 'answered',
      inputTokens: 90,
      cachedInputTokens: 60,
      outputTokens: 7,
    },
    ...{ costMicros: 0, priced: true, estimated: false, prompt },
  };
  await store.answer(attempt, { text: 'Mended.', use });

  const answer = await api.ask('GET', `/runs/${run.id}/context`);
  expect(ContextView.parse(answer.json())).toEqual({
    ...{ runId: run.id, step: 1, model: use.model, window: 1000, tokens: 106, parts: prompt.parts },
    use: { inputTokens: 90, cachedInputTokens: 60, outputTokens: 7, estimated: false },
    messages: [
      {
        ...{ runId: run.id, step: 1, kind: 'summary', text: 'It looked for a bug.', length: 20 },
        ...{ calls: [], callId: null },
      },
      { runId: run.id, step: 0, kind: 'message', text: 'Mend it.', length: 8, calls: [], callId: null },
    ],
    messageCount: 2,
    leftOut: [
      { what: '2 messages', why: 'A summary stands for them: about 900 of 1000 tokens were full.' },
      { what: '1 message of people in their own words', why: 'A tenth of the window is kept for these.' },
    ],
  });
  const before = ContextView.parse((await api.ask('GET', `/runs/${first.id}/context?step=1`)).json());
  expect(before.messages.map(({ kind, text }) => [kind, text])).toEqual([['message', 'Find the bug.']]);
  for (const path of [`${run.id}/context?step=2`, `${first.conversation_id}/context`])
    expect((await api.ask('GET', `/runs/${path}`)).statusCode).toBe(404);

  const shown = perdure(['context', run.id.slice(-8), '--step', '1'], { environment });
  expect(await shown.code).toBe(0);
  expect([shown.out(), shown.err()].join('')).toBe(`step 1 · scripted/hello · about 106 of 1000 tokens (11 %)
90 in, 60 of them cached; 7 out (counted by the provider)

PART    TOKENS  SAYS
system  100     -
clock   6       Date: 2026-03-01

STEP  MESSAGE  CHARACTERS  TEXT
1     summary  20          It looked for a bug.
0     message  8           Mend it.
Left out: 2 messages. A summary stands for them: about 900 of 1000 tokens were full.
Left out: 1 message of people in their own words. A tenth of the window is kept for these.
`);
});
