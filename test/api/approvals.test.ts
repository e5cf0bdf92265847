import { expect, test } from 'vitest';
import type { ApprovalKind, ApprovalView } from '../../workflows/contracts/approval.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import { aCall, answerTimeOf, storeOver } from '../support/store.ts';
import { createTestApp, type TestApp, type TestAppOptions } from '../support/test-app.ts';

interface Waiting {
  api: TestApp;
  runId: string;
  conversationId: string;
  /** By the id of its call. */
  approvals: Record<string, ApprovalView>;
}

/** A run that has asked one thing of each kind given, as calls 1.0, 1.1 and so on. */
async function waiting(
  kinds: ApprovalKind[],
  options: TestAppOptions = {},
  answerMs = 60_000,
): Promise<Waiting> {
  const api = await createTestApp(options);
  const store = storeOver('', api.database, api.log);
  const run = await store.started({ tenantId: api.tenantId, attended: true });
  const calls = kinds.map((kind, index) =>
    aCall(`1.${index}`, {
      decision: 'ask',
      subject: 'rm -r build\u202e',
      asks: { kind, text: `May I? ${index}`, choices: kind === 'question' ? ['yes', 'no'] : [] },
    }),
  );
  await store.step(run, 1, { calls, answerTime: answerTimeOf(answerMs) });
  const { items } = (await api.ask('GET', `/approvals?runId=${run.id}&status=open`)).json<{
    items: ApprovalView[];
  }>();
  const approvals = Object.fromEntries(items.map((item) => [item.callId, item]));
  return { api, runId: run.id, conversationId: run.conversation_id, approvals };
}

test('what waits for an answer is listed with exactly what it is about, and nothing in it can hide', async () => {
  const { api, runId, approvals } = await waiting(['call']);
  const approval = approvals['1.0'];
  expect(approval).toEqual({
    id: expect.any(String),
    runId,
    kind: 'call',
    callId: '1.0',
    tool: 'shell',
    effect: 'execute',
    subject: 'rm -r build\\u{202e}',
    runs: null,
    repairs: [],
    input: { command: 'true' },
    inputHash: 'hash',
    text: 'May I? 0',
    choices: [],
    limit: null,
    rule: 'any tool',
    reason: 'allowed',
    status: 'open',
    createdAt: expect.any(String),
    escalateAt: expect.any(String),
    deadlineAt: expect.any(String),
    decidedBy: null,
    decidedAt: null,
    note: null,
    edited: false,
    remembers: null,
  });
  expect((await api.ask('GET', `/approvals/${approval?.id}`)).json()).toEqual({ ...approval, change: null });
  expect((await api.ask('GET', `/runs/${runId}`)).json()).toMatchObject({
    status: 'awaiting_input',
    attended: true,
  });
});

test('whoever answers first decides, and everybody after learns who did', async () => {
  const { api, runId, approvals } = await waiting(['call']);
  const { id } = approvals['1.0'] as ApprovalView;
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      api.ask('POST', `/approvals/${id}/${index % 2 === 0 ? 'approve' : 'deny'}`, {}),
    ),
  );
  expect(answers.filter(({ statusCode }) => statusCode === 200)).toHaveLength(1);
  const refused = answers.filter(({ statusCode }) => statusCode === 409);
  expect(refused).toHaveLength(19);
  const outcome = (await api.ask('GET', `/approvals/${id}`)).json<ApprovalView>().status;
  for (const answer of refused) {
    expect(answer.json()).toMatchObject({ code: 'ApprovalDecided', outcome, decidedBy: 'first (api)' });
  }
  expect(api.told).toEqual([`wake ${runId}`]);
});

test('a call may be allowed with other arguments, which are reviewed and are what is recorded', async () => {
  const { api, runId, approvals } = await waiting(['call', 'call'], {
    async reviewEdit(queries, _run, _call, input) {
      // Of a pool, every connection may be held by others who wait here for one more.
      expect(queries.isTransaction).toBe(true);
      if (JSON.stringify(input).includes('rm')) throw new Failure('EditRefused', 'Denied by policy (no rm).');
      return { input, inputHash: 'other', subject: 'ls', timeoutSeconds: 60 };
    },
  });
  const refused = await api.ask('POST', `/approvals/${approvals['1.0']?.id}/approve`, {
    input: { command: 'rm -r /' },
  });
  expect([refused.statusCode, refused.json()]).toEqual([
    422,
    expect.objectContaining({ detail: 'Denied by policy (no rm).' }),
  ]);
  const allowed = await api.ask('POST', `/approvals/${approvals['1.0']?.id}/approve`, {
    input: { command: 'ls' },
    note: 'Look only.',
  });
  expect(allowed.json()).toMatchObject({
    status: 'approved',
    edited: true,
    inputHash: 'other',
    note: 'Look only.',
  });
  // A client that sends back what it was shown.
  const same = await api.ask('POST', `/approvals/${approvals['1.1']?.id}/approve`, {
    input: approvals['1.1']?.input,
  });
  expect(same.json()).toMatchObject({ status: 'approved', edited: false });
  const { items } = (await api.ask('GET', `/runs/${runId}/calls`)).json<{ items: { input: unknown }[] }>();
  expect(items.map(({ input }) => input)).toEqual([{ command: 'ls' }, { command: 'true' }]);
});

test('of arguments that a person gives, what is a secret here is hidden before they are looked at', async () => {
  const { api, runId, approvals } = await waiting(['call'], {
    redact: (text) => text.replaceAll('hunter22', '[redacted]').replaceAll('12345678', '[redacted]'),
  });
  const path = `/approvals/${approvals['1.0']?.id}/approve`;
  const number = await api.ask('POST', path, { input: { command: 'ls', timeoutSeconds: 12_345_678 } });
  expect([number.statusCode, number.json()]).toEqual([
    400,
    expect.objectContaining({ detail: 'input: a number in it is a known secret; leave it out.' }),
  ]);
  await api.ask('POST', path, { input: { command: 'login hunter22' } });
  const { items } = (await api.ask('GET', `/runs/${runId}/calls`)).json<{ items: { input: unknown }[] }>();
  expect(items.map(({ input }) => input)).toEqual([{ command: 'login [redacted]' }]);
});

test('what a caller brings is cut as every output is, with the whole kept, and may be nothing', async () => {
  const kept: string[] = [];
  const { api, runId, approvals } = await waiting(['result', 'result', 'question'], {
    async keepContent(_queries, _tenantId, mediaType, bytes) {
      kept.push(`${mediaType} ${bytes.length}`);
      return 'the-key';
    },
  });
  const brought = await api.ask('POST', `/runs/${runId}/results`, {
    results: [
      { callId: '1.0', output: 'x'.repeat(100_000) },
      { callId: '1.1', output: '' },
    ],
  });
  expect(brought.statusCode, brought.body).toBe(200);
  await api.ask('POST', `/approvals/${approvals['1.2']?.id}/approve`, {
    input: { answer: 'y'.repeat(20_000) },
  });
  const { items } = (await api.ask('GET', `/runs/${runId}/calls`)).json<{
    items: { output: string; outputBytes: number; content: string | null; status: string }[];
  }>();
  const half = (letter: string) => letter.repeat(8192);
  const cut = (letter: string, bytes: number) =>
    `${half(letter)}\n… ${bytes} bytes in all; a part of line 1 left out here. Read more with the tool output: {"key":"the-key","from":1,"column":8193} …\n${half(letter)}`;
  expect(items).toMatchObject([
    { status: 'succeeded', output: cut('x', 100_000), outputBytes: 100_000, content: 'the-key' },
    { status: 'succeeded', output: '', outputBytes: 0, content: null },
    { status: 'succeeded', output: cut('y', 20_000), outputBytes: 20_000, content: 'the-key' },
  ]);
  expect(kept).toEqual(['text/plain; charset=utf-8 100000', 'text/plain; charset=utf-8 20000']);
});

test('a result that comes after the deadline is refused as any answer is', async () => {
  const { api, runId } = await waiting(['result'], {}, -1000);
  const late = await api.ask('POST', `/runs/${runId}/results`, {
    results: [{ callId: '1.0', output: 'late' }],
  });
  expect([late.statusCode, late.json()]).toEqual([
    409,
    expect.objectContaining({ code: 'ApprovalDecided', outcome: 'expired' }),
  ]);
});

test('a question is answered in words, and the words are the result of its call', async () => {
  const { api, runId, approvals } = await waiting(['question']);
  const { id } = approvals['1.0'] as ApprovalView;
  expect((await api.ask('POST', `/approvals/${id}/approve`, {})).json()).toMatchObject({
    code: 'InvalidInput',
  });
  await api.ask('POST', `/approvals/${id}/approve`, { input: { answer: 'The blue one.' } });
  const { items } = (await api.ask('GET', `/runs/${runId}/calls`)).json<{ items: object[] }>();
  expect(items).toMatchObject([{ status: 'succeeded', output: 'The blue one.' }]);
});

test('results of tools the caller executes are taken all or none, and once', async () => {
  const { api, runId, approvals } = await waiting(['result', 'result', 'call']);
  const bring = (...results: object[]) => api.ask('POST', `/runs/${runId}/results`, { results });
  const wrong = await bring({ callId: '1.0', output: 'one' }, { callId: '1.2', output: 'not mine' });
  expect([wrong.statusCode, wrong.json()]).toEqual([
    422,
    expect.objectContaining({ detail: expect.stringContaining('1.2 does not wait for a result of yours') }),
  ]);
  const taken = await bring(
    { callId: '1.0', output: 'one' },
    { callId: '1.1', output: 'broken', failed: true },
  );
  expect(taken.json()).toEqual({ items: [{ callId: '1.0' }, { callId: '1.1' }] });
  expect((await bring({ callId: '1.0', output: 'two' })).statusCode).toBe(422);
  expect((await api.ask('POST', `/approvals/${approvals['1.0']?.id}/approve`, {})).statusCode).toBe(409);
  const { items } = (await api.ask('GET', `/runs/${runId}/calls`)).json<{ items: object[] }>();
  expect(items).toMatchObject([
    { status: 'succeeded', output: 'one' },
    { status: 'failed', output: 'broken' },
    { status: 'requested' },
  ]);
});

test('an answer that comes too late, for another tenant or for nothing is refused', async () => {
  const { api, approvals } = await waiting(['call'], {}, -1000);
  const late = await api.ask('POST', `/approvals/${approvals['1.0']?.id}/approve`, {});
  expect([late.statusCode, late.json()]).toEqual([409, expect.objectContaining({ outcome: 'expired' })]);
  const nowhere = '0193d5a0-7c1e-7b52-9f0e-2f6f0d3a9b11';
  expect((await api.ask('POST', `/approvals/${nowhere}/deny`, {})).statusCode).toBe(404);
  expect(
    (await api.ask('POST', `/runs/${nowhere}/results`, { results: [{ callId: '1.0', output: 'x' }] }))
      .statusCode,
  ).toBe(404);
});

test('a message to a conversation that waits for an answer is the answer', async () => {
  const { api, runId, conversationId, approvals } = await waiting(['call']);
  const sent = await api.ask('POST', `/conversations/${conversationId}/messages`, {
    prompt: 'Something else.',
  });
  expect([sent.statusCode, sent.json()]).toEqual([202, expect.objectContaining({ id: runId })]);
  expect((await api.ask('GET', `/approvals/${approvals['1.0']?.id}`)).json()).toMatchObject({
    status: 'denied',
    note: 'They said something else.',
  });
});
