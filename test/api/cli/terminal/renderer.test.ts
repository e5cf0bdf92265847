import { expect, test } from 'vitest';
import { sourcesOf } from '../../../support/accepting.ts';
import type { EventPayload, EventType, NewEvent } from '../../../../workflows/contracts/event.ts';
import { drawn } from './drawn.ts';
import { compacting } from './compacting-drawn.ts';
import { others } from './tasks-drawn.ts';

const id = '01900000-0000-7000-8000-000000000001';
const usage = { inputTokens: 1200, cachedInputTokens: 0, outputTokens: 34 };
const request = {
  step: 1,
  callId: '1.0',
  tool: 'shell',
  input: '{}',
  effect: 'execute',
  subject: 'npm test',
} as const;
const allowed = { decision: 'allow', rule: 'any', reason: 'trusted' } as const;
const end = { callId: '1.0', tool: 'shell', bytes: 2048, content: null } as const;

const table: { [T in EventType]: [payload: EventPayload<T>, shown: string] } = {
  'run-queued': [
    {
      conversationId: id,
      parentId: null,
      prompt: 'hello',
      messageId: 'm',
      model: 'scripted/hello',
      policy: 'trusting',
      priority: 'normal',
      parked: true,
      project: { path: '/srv/shop' },
      limits: { steps: 7, seconds: 90, costMicros: 500_000, tokens: 9 },
      sources: {
        ...sourcesOf('conversation'),
        model: 'request',
        externalTools: 'instance',
        limits: { ...sourcesOf('instance').limits, steps: 'conversation', seconds: 'request' },
      },
      by: 'cli',
    },
    `— run ${id.slice(-8)} · scripted/hello · trusting\n— works in /srv/shop\n— at most 7 steps, 1 min 30 s\n— as in the run before: project, policy, limits\n— the conversation is busy: this run starts when the active one has ended\n`,
  ],
  'run-ready': [{ after: id, parentId: id }, `— its turn has come: run ${id.slice(-8)} has ended\n`],
  'run-start': [
    { executionId: 'x', model: 'scripted/hello', scripted: true },
    '— the scripted model answers: it follows a script and is no real model\n',
  ],
  'run-stuck': [{ reason: 'its workflow fails' }, '! stuck: its workflow fails\n'],
  'run-resume': [{ reason: 'retried' }, '— goes on: retried\n'],
  'executor-silent': [
    { executor: 'gpu-1', since: '2026-11-01T10:00:00.000Z', until: '2026-11-01T10:15:00.000Z' },
    '! waits for the executor gpu-1, silent since 2026-11-01T10:00:00.000Z; fails at 2026-11-01T10:15:00.000Z\n',
  ],
  'executor-back': [{ executor: 'gpu-1' }, '— the executor gpu-1 is back\n'],
  ...others,
  'run-end': [
    {
      final: true,
      status: 'timed_out',
      reason: 'limit_seconds',
      reasonText: 'It took longer than 10 s.',
      steps: 2,
      usage,
      costMicros: 12_345,
    },
    'It took longer than 10 s.\ntimed out · $0.012345 · 2 steps · 1,200 tokens in, 34 out\n',
  ],
  'step-start': [{ step: 2, model: 'openai/gpt' }, '— step 2 · openai/gpt\n'],
  'step-end': [{ step: 1, usage, costMicros: 1, priced: false, calls: 0 }, ''],
  'text-start': [{ step: 1, block: 0 }, ''],
  'text-delta': [{ step: 1, block: 0, text: 'some \u001b[2Jwords\n' }, 'some words\n'],
  'text-end': [{ step: 1, block: 0 }, ''],
  'thinking-start': [{ step: 1, block: 0 }, ''],
  'thinking-delta': [{ step: 1, block: 0, text: 'hm\n' }, 'hm\n'],
  'thinking-end': [{ step: 1, block: 0 }, ''],
  // Nothing was said that could be taken back.
  'message-reset': [{ step: 1, reason: 'the worker died' }, ''],
  // Nothing of it has streamed: its pieces are folded.
  'message-end': [{ step: 1, text: 'words' }, 'words\n'],
  'call-request': [
    { ...request, ...allowed, repairs: ['a', 'b\u202e'], decision: 'deny', reason: 'not here' },
    '→ 1.0 shell npm test\n— arguments repaired: a; b\n! deny: not here (any)\n',
  ],
  'call-start': [{ callId: '1.0', tool: 'shell' }, ''],
  'call-delta': [{ callId: '1.0', from: 'stdout', text: 'one\ntw' }, '  │ one\n'],
  'call-end': [
    { ...end, status: 'failed', output: 'line\n\u202eenil\n' },
    '✗ 1.0 shell failed · 2.0 KB\n  │ line\n  │ enil\n',
  ],
  'call-settle': [
    { runId: id, callId: '1.0', outcome: 'not_done', by: 'ada' },
    '— call 1.0 was settled as not_done by ada\n',
  ],
  'delegation-start': [
    { callId: '1.0', runId: id, name: 'reader', async: true },
    '— the subagent reader begins, beside this run: run 00000001\n',
  ],
  'delegation-end': [
    { callId: '1.0', runId: id, name: 'reader', status: 'timed_out', reason: 'limit_seconds' },
    '— the subagent reader has ended: timed out\n',
  ],
  'delegation-approval': [
    {
      runId: id,
      name: 'reader',
      approvalId: id,
      text: 'shell npm test',
      deadlineAt: '2026-01-02T00:00:00.000Z',
    },
    '! the subagent reader asks: shell npm test\n— perdure approve 00000001, until 2026-01-02T00:00:00.000Z\n',
  ],
  'approval-request': [
    {
      approvalId: id,
      kind: 'call',
      callId: '1.0',
      text: 'shell rm -r \u202ebuild',
      choices: ['red'],
      deadlineAt: '2026-01-02T00:00:00.000Z',
    },
    `! may it: shell rm -r \\u{202e}build\n—   red\n— perdure approve 00000001, until 2026-01-02T00:00:00.000Z\n`,
  ],
  'approval-escalation': [
    { approvalId: id, callId: '1.0', deadlineAt: '2026-01-02T00:00:00.000Z' },
    `! still unanswered: 00000001, until 2026-01-02T00:00:00.000Z\n`,
  ],
  'approval-response': [
    { approvalId: id, callId: '1.0', outcome: 'approved', by: 'ada', note: 'go on', edited: true },
    '— approved with other arguments by ada: go on\n',
  ],
  'steer-request': [{ messageId: 'm', text: 'use\ntabs', by: 'ada' }, '» ada: use tabs\n'],
  'steer-response': [
    { messageId: 'm', outcome: 'refused', step: null, reason: 'the run has ended' },
    '! the message was refused: the run has ended\n',
  ],
  'interrupt-request': [{ messageId: 'm', by: 'ada' }, '— interrupt asked for by ada\n'],
  'cancel-request': [{ messageId: 'm', by: 'ada' }, '— cancel asked for by ada\n'],
  'attempt-error': [
    { unit: 'step 1', attempt: 2, reason: 'overloaded', retry: true },
    '! step 1, attempt 2: overloaded; tried again\n',
  ],
  ...compacting,
  stall: [{ step: 6, replans: 1 }, '! it gets nowhere: asked to plan anew (1)\n'],
  'budget-warning': [
    {
      allowance: 'tenant',
      model: 'openai/*',
      limit: 'dayCostMicros',
      percent: 80,
      used: 20_100_000,
      allowed: 25_000_000,
      endsAt: '2026-01-02T00:00:00.000Z',
    },
    '! 80 % of the allowance tenant for openai/*: $20.10 of $25.00 a day, until 2026-01-02T00:00:00.000Z\n',
  ],
  'project-record': [
    { recorded: 20_000, files: 50_000 },
    '— recording the project: 20,000 of 50,000 files\n',
  ],
  'price-unknown': [
    {
      model: 'compatible/large',
      ceiling: { inputMicros: 20_000_000, outputMicros: 100_000_000 },
      setting: 'PERDURE_PRICES',
    },
    '! the price of compatible/large is unknown: what it costs is estimated at a ceiling and is no bill, ' +
      '$20.00 for a million tokens in and $100.00 out\n' +
      '! give its price in dollars for a million tokens: ' +
      `PERDURE_PRICES='{"compatible/large":{"dollars":{"input":1,"output":4}}}'\n`,
  ],
  'late-write': [
    { runId: id, unit: 'call 1.0', attempt: 1, what: 'a result' },
    '— refused a late write of call 1.0: a result\n',
  ],
  'dead-letter': [
    { runId: id, id, kind: 'call', reason: 'it took its worker down three times' },
    '! gave up: it took its worker down three times; see `perdure dead-letters`\n',
  ],
};

test.each(Object.entries(table))('%s is drawn', (type, [payload, shown]) => {
  expect(drawn([{ type, payload } as NewEvent])).toBe(shown);
});

test('a run reads as one text: what is said, what is called, what comes back, how it ended', () => {
  const events: NewEvent[] = [
    { type: 'run-start', payload: { executionId: 'x', model: 'openai/gpt', scripted: false } },
    { type: 'step-start', payload: { step: 1, model: 'openai/gpt' } },
    { type: 'text-start', payload: { step: 1, block: 0 } },
    { type: 'text-delta', payload: { step: 1, block: 0, text: 'I run ' } },
    { type: 'text-delta', payload: { step: 1, block: 0, text: 'the tests.' } },
    { type: 'text-end', payload: { step: 1, block: 0 } },
    { type: 'call-request', payload: { ...request, ...allowed } },
    { type: 'call-start', payload: { callId: '1.0', tool: 'shell' } },
    { type: 'call-delta', payload: { callId: '1.0', from: 'stdout', text: 'first li' } },
    { type: 'call-delta', payload: { callId: '1.0', from: 'stderr', text: 'ne\nsecond' } },
    { type: 'call-end', payload: { ...end, status: 'succeeded', output: 'first line\nsecond' } },
    {
      type: 'run-end',
      payload: {
        final: true,
        status: 'succeeded',
        reason: 'finished',
        reasonText: '',
        steps: 1,
        usage,
        costMicros: 2_500_000,
      },
    },
  ];
  expect(drawn(events)).toBe(
    [
      '— step 1 · openai/gpt',
      'I run the tests.',
      '→ 1.0 shell npm test',
      '  │ first line',
      '  │ second',
      '✓ 1.0 shell · 2.0 KB',
      'succeeded · $2.50 · 1 step · 11.0 s · 1,200 tokens in, 34 out',
      '',
    ].join('\n'),
  );
});

test('what a run accepted stands in its first lines, and what was denied beside its end', () => {
  // As it was written before it said where the run works.
  const { project: _project, limits: _limits, sources: _sources, ...old } = table['run-queued'][0];
  const [ended] = table['run-end'];
  const item = {
    callId: '3.1',
    tool: 'shell',
    subject: 'curl \u202ex'.padEnd(300, 'x'),
    reason: 'no\u001b[2J network',
  };
  const events: NewEvent[] = [
    { type: 'run-queued', payload: { ...old, parked: false, acceptNoContainment: true } },
    {
      type: 'run-end',
      payload: {
        ...ended,
        reason: 'finished',
        status: 'succeeded',
        deniedCalls: { count: 22, items: [item] },
      },
    },
  ];
  expect(drawn(events).split('\n')).toEqual([
    expect.stringMatching(/^— run/),
    '! accepted: no sandbox has to contain this run, so a shell may reach what its user can',
    '! 22 calls denied:',
    expect.stringMatching(/^! {3}3\.1 shell curl x+…$/),
    '!     no network',
    '!   … 21 more',
    expect.stringMatching(/^succeeded · .* · 22 calls denied: perdure show 00000001$/),
    '',
  ]);
});

test('an unknown outcome is said, together with what the agent was told, even after live output', () => {
  const events: NewEvent[] = [
    { type: 'call-delta', payload: { callId: '1.0', from: 'stdout', text: 'half\n' } },
    { type: 'call-end', payload: { ...end, bytes: 0, status: 'unknown', output: 'The worker died.' } },
  ];
  expect(drawn(events)).toBe(
    '  │ half\n? 1.0 shell · outcome unknown: it may have taken effect\n  │ The worker died.\n',
  );
});

test('live output of calls that run side by side says whose it is', () => {
  const events: NewEvent[] = [
    { type: 'call-request', payload: { ...request, ...allowed } },
    {
      type: 'call-request',
      payload: { ...request, ...allowed, callId: '1.1', subject: 'make  all', runs: 'make all' },
    },
    { type: 'call-delta', payload: { callId: '1.1', from: 'stdout', text: 'made\n' } },
    { type: 'call-delta', payload: { callId: '1.0', from: 'stdout', text: 'tested\n' } },
    { type: 'call-end', payload: { ...end, callId: '1.1', status: 'succeeded', output: 'made\n' } },
    { type: 'call-delta', payload: { callId: '1.0', from: 'stdout', text: 'all\n' } },
  ];
  expect(drawn(events).split('\n').slice(1)).toEqual([
    '→ 1.1 shell make all',
    '  1.1 │ made',
    '  1.0 │ tested',
    '✓ 1.1 shell · 2.0 KB',
    '  │ all',
    '',
  ]);
});

test('a long result that was not streamed shows its beginning and how much is left', () => {
  const output = Array.from({ length: 15 }, (_, index) => `line ${index}`).join('\n');
  const text = drawn([{ type: 'call-end', payload: { ...end, status: 'succeeded', output } }]);
  expect(text.split('\n').slice(12)).toEqual(['  │ line 11', '  │ … 3 more lines', '']);
});

test('colours are for a terminal, and not for one that declines them', () => {
  const events: NewEvent[] = [{ type: 'run-stuck', payload: { reason: 'why' } }];
  expect(drawn(events, {}, true)).toBe('\u001b[33m! stuck: why\u001b[39m\n');
  expect([
    drawn(events, {}, false),
    drawn(events, { NO_COLOR: '1' }, true),
    drawn(events, { TERM: 'dumb' }, true),
  ]).toEqual(Array(3).fill('! stuck: why\n'));
});

test('an event that only a newer server knows is named, not fatal', () => {
  expect(drawn([{ type: 'plan-start', payload: {} } as unknown as NewEvent])).toBe('— plan-start\n');
});
