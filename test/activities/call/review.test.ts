import { argumentsHash } from '../../../activities/store/calls/arguments-hash.ts';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { type ReviewContext, reviewCalls, reviewEdit } from '../../../activities/call/review.ts';
import { type RunTool, toolsOf } from '../../../activities/call/tools-of.ts';
import type { ReviewedCall } from '../../../activities/store/calls/reviewed-calls.ts';
import { isStorable } from '../../../workflows/contracts/storable.ts';
import { askPerson } from '../../../activities/tools/ask-person.ts';
import { defineTool, type Tool } from '../../../activities/tools/tool.ts';
import type { ExternalTool } from '../../../workflows/contracts/external-tool.ts';
import type { PolicyScope } from '../../../workflows/policy/evaluate.ts';
import { builtInVersion, findProfile } from '../../../workflows/policy/presets.ts';

const note: Tool = defineTool({
  name: 'note',
  description: 'Writes a note.',
  input: z.strictObject({ path: z.string(), lines: z.int().optional() }),
  effect: 'write',
  repeat: 'once',
  subject: ({ path }) => path,
  timeoutSeconds: () => 7,
  run: async () => ({ ok: true, output: 'written' }),
});

const trusted = 'trusted-mount-autonomous';

function toolsWith(tools: Tool[], ...external: ExternalTool[]): RunTool[] {
  return toolsOf({ tools }, { external_tools: external as unknown as [], preset: null });
}

function contextOf(policy: string): ReviewContext {
  const scope: PolicyScope = { scope: 'run', profile: findProfile(policy), version: builtInVersion };
  const now = new Date('2026-01-01T00:00:00Z');
  return {
    tools: toolsWith([note]),
    remembered: [],
    scopes: [scope],
    projectRoot: '/project',
    mode: null,
    attended: false,
    now,
  };
}

async function reviewed(call: { name?: string; input: string }, policy = trusted): Promise<ReviewedCall> {
  const [first] = await reviewCalls(contextOf(policy), 3, [{ id: 'p1', name: 'note', ...call }]);
  if (!first) throw new Error('Nothing was reviewed.');
  return first;
}

test('a call that fits is allowed, with everything that is stored of it', async () => {
  expect(await reviewed({ input: '{ "path": "a.md" }' })).toEqual({
    callId: '3.0',
    index: 0,
    providerCallId: 'p1',
    tool: 'note',
    input: { path: 'a.md' },
    inputText: '{ "path": "a.md" }',
    inputHash: argumentsHash({ path: 'a.md' }),
    effect: 'write',
    subject: 'a.md',
    repeat: 'once',
    decision: 'allow',
    rule: 'trusted-mount-autonomous: allow anything',
    reason: 'trusted-mount-autonomous allows write',
    decided: {
      scope: 'run',
      profileId: 'trusted-mount-autonomous',
      profileVersion: builtInVersion,
      ruleIndex: 6,
      ruleText: 'allow anything',
      decision: 'allow',
      original: 'allow',
      reason: 'trusted-mount-autonomous allows write',
      part: 'a.md',
      projectRoot: '/project',
      mode: null,
      attended: false,
    },
    timeoutSeconds: 7,
    refusal: undefined,
  });
});

const refused: [
  string,
  { name?: string; input: string; policy?: string },
  { status: string; output: RegExp; rule: string },
][] = [
  [
    'a tool there is not',
    { name: 'fly', input: '{}' },
    { status: 'failed', output: /^There is no tool "fly"\. There are: note\.$/, rule: 'not a valid call' },
  ],
  [
    'arguments cut in the middle',
    { input: '{"path": "a' },
    {
      status: 'failed',
      output: /^The arguments are not valid JSON \(.*\)\. Send the call again\.$/,
      rule: 'not a valid call',
    },
  ],
  [
    'no arguments at all',
    { input: '' },
    { status: 'failed', output: /^The arguments do not fit note: path: /, rule: 'not a valid call' },
  ],
  [
    'arguments of the wrong type',
    { input: '{"path": 7}' },
    {
      status: 'failed',
      output: /^The arguments do not fit note: path: .*expected string/,
      rule: 'not a valid call',
    },
  ],
  [
    'a misspelt argument',
    { input: '{"file": "a"}' },
    { status: 'failed', output: /^The arguments do not fit note: path: .*file/, rule: 'not a valid call' },
  ],
  [
    'arguments that are no object',
    { input: '[1]' },
    { status: 'failed', output: /^The arguments do not fit note: input: /, rule: 'not a valid call' },
  ],
  [
    'a NUL in the arguments',
    { input: '{"path": "a\\u0000b"}' },
    { status: 'failed', output: /NUL/, rule: 'not a valid call' },
  ],
  [
    'half a surrogate pair in the arguments',
    { input: '{"path": "\\ud83d"}' },
    { status: 'failed', output: /surrogate/, rule: 'not a valid call' },
  ],
  [
    'arguments that nobody could walk through',
    { input: `{"path": ${'['.repeat(5000)}${']'.repeat(5000)}}` },
    {
      status: 'failed',
      output: /^The arguments are nested deeper than 100 levels\. Send flatter ones\.$/,
      rule: 'not a valid call',
    },
  ],
  [
    'nothing it would act on',
    { input: '{"path": ""}' },
    { status: 'denied', output: /^Denied by policy \(empty subject\)/, rule: 'empty subject' },
  ],
  [
    'a profile there is not',
    { input: '{"path": "a"}', policy: 'gone' },
    { status: 'denied', output: /^Denied by policy \(unknown profile\)/, rule: 'unknown profile' },
  ],
];
for (const [what, { policy, ...call }, { status, output, rule }] of refused) {
  test(`a call with ${what} is answered and not made`, async () => {
    const review = await reviewed(call, policy);
    expect(review).toMatchObject({
      decision: 'deny',
      rule,
      refusal: { status, output: expect.stringMatching(output) },
    });
  });
}

test('calls keep their order and number, and those over the most of a step are answered', async () => {
  const calls = Array.from({ length: 66 }, () => ({ id: 'same', name: 'note', input: '{"path":"a"}' }));
  const reviews = await reviewCalls(contextOf(trusted), 2, calls);
  expect(reviews.map(({ callId }) => callId)).toEqual(calls.map((_, index) => `2.${index}`));
  expect(reviews.filter(({ refusal }) => refusal === undefined)).toHaveLength(64);
  expect(reviews[64]?.refusal).toEqual({
    status: 'failed',
    output: 'Not run: at most 64 calls are made in one step. Ask again in the next.',
  });
});

test('whatever a model puts into names and arguments, all of the review can be stored', async () => {
  const odd = `x\u0000\ud83d`;
  const long = '\u{1F600}'.repeat(300);
  const reviews = await reviewCalls(contextOf(trusted), 1, [
    { id: odd, name: odd, input: odd },
    { id: odd, name: long, input: '{}' },
    { id: odd, name: 'note', input: `{"path":"${'\u{1F600}'.repeat(2001)}"}` },
    { id: odd, name: 'note', input: `{"path": "a"${odd}` },
  ]);
  expect(isStorable(reviews)).toBe(true);
});

test('policy decides on the whole subject, however long it is', async () => {
  const path = `${'a/'.repeat(2100)}${'../'.repeat(2100)}.env`;
  expect(await reviewed({ input: JSON.stringify({ path }) })).toMatchObject({
    subject: path,
    decision: 'deny',
    rule: expect.stringMatching(/^trusted-mount-autonomous: deny write: /),
    refusal: { status: 'denied' },
  });
});

test('with nobody there to ask, what would be asked is denied and says so', async () => {
  expect(await reviewed({ input: '{"path":"a"}' }, 'ask-everything')).toMatchObject({
    decision: 'deny',
    rule: 'ask-everything: ask anything',
    refusal: {
      status: 'denied',
      output:
        'Denied by policy (ask-everything: ask anything): this profile asks about everything, and nobody is there to ask.',
    },
  });
});

function lookup(inputSchema: ExternalTool['inputSchema']): ExternalTool {
  return { name: 'lookup', description: 'Looks something up.', inputSchema };
}

function lookedUp(tool: ExternalTool, ...inputs: unknown[]): Promise<ReviewedCall[]> {
  const calls = inputs.map((input) => ({ id: 'p', name: tool.name, input: JSON.stringify(input) }));
  return reviewCalls({ ...contextOf(trusted), tools: toolsWith([note], tool) }, 1, calls);
}

test('a tool that throws when it is asked about a call has the call answered, and the others reviewed', async () => {
  const broken: Tool = {
    ...note,
    name: 'broken',
    subject: () => {
      throw new Error('no subject');
    },
  };
  const reviews = await reviewCalls({ ...contextOf(trusted), tools: toolsWith([note, broken]) }, 1, [
    { id: 'p', name: 'broken', input: '{"path":"a"}' },
    { id: 'p', name: 'note', input: '{"path":"a"}' },
  ]);
  expect(reviews).toMatchObject([
    {
      decision: 'deny',
      refusal: {
        status: 'failed',
        output: 'The call cannot be looked at (no subject). Send a simpler one.',
      },
    },
    { decision: 'allow' },
  ]);
});

test('a schema that refers to itself without end has its calls answered', async () => {
  expect(await lookedUp(lookup({ type: 'object', $ref: '#' }), { a: 1 })).toMatchObject([
    { decision: 'deny', refusal: { status: 'failed', output: expect.stringMatching(/^The call cannot be/) } },
  ]);
});

test('nobody is asked about calls over the most of a step', async () => {
  const reviews = await lookedUp(lookup({ type: 'object' }), ...Array.from({ length: 65 }, () => ({})));
  expect(reviews.slice(63).map(({ decision, asks }) => [decision, asks?.kind])).toEqual([
    ['ask', 'result'],
    ['deny', undefined],
  ]);
});

test('under a profile that asks about questions, a question is asked once and in its own words', async () => {
  const call = { id: 'p', name: 'ask-person', input: '{"question":"Which one?","choices":["a","b"]}' };
  const profile = findProfile('ask-everything');
  if (!profile) throw new Error('The profile is gone.');
  const asking = { ...profile, rules: [{ tool: 'ask-person', decision: 'ask' } as const] };
  const scopes: PolicyScope[] = [{ scope: 'run', profile: asking, version: 1 }];
  const context = { ...contextOf(trusted), scopes, tools: toolsWith([askPerson]), attended: true };
  expect(await reviewCalls(context, 1, [call])).toMatchObject([
    { decision: 'ask', asks: { kind: 'question', text: 'Which one?', choices: ['a', 'b'] } },
  ]);
});

test('other arguments may take less time than was asked for, and are refused when they take more', () => {
  const slow: Tool = defineTool({
    ...note,
    name: 'slow',
    input: z.strictObject({ seconds: z.int() }),
    subject: () => 'x',
    timeoutSeconds: ({ seconds }: { seconds: number }) => seconds,
  });
  const context = { ...contextOf(trusted), tools: toolsWith([slow]) };
  const call = { step: 3, tool: 'slow', timeout_seconds: 150 };
  expect(reviewEdit(context, call, { seconds: 20 })).toMatchObject({
    input: { seconds: 20 },
    timeoutSeconds: 20,
  });
  expect(reviewEdit(context, call, { seconds: 1000 })).toEqual({
    problem:
      'These arguments may take 1000 seconds and the call was asked for with 150: give no more, or deny it with a note that it be asked for with more.',
  });
});

test('what was repaired is judged, bound and shown in the form that runs, and the model is told', async () => {
  const input = '{"path": ["a.md"], "lines": "3", "force": true,}';
  const runs = '{"path":"a.md","lines":3}';
  const repairs = [
    'trailing commas were left out',
    'path: a list of one, read as its value',
    'lines: a number in quotes, read as one',
    'force: not an argument of this tool, left out',
  ];
  expect(await reviewed({ input })).toMatchObject({
    input: { path: 'a.md', lines: 3 },
    inputText: runs,
    inputHash: argumentsHash({ path: 'a.md', lines: 3 }),
    subject: 'a.md',
    decision: 'allow',
    decided: { repairs },
  });
  expect((await reviewed({ input }, 'plan-readonly')).refusal?.output).toMatch(
    /^Arguments repaired before use: trailing commas .*, left out\.\nDenied by policy /,
  );
});

test('a person’s other arguments are taken as they are or refused', () => {
  const call = { step: 3, tool: 'note', timeout_seconds: 150 };
  expect(reviewEdit(contextOf(trusted), call, { path: 'a', lines: '3' })).toEqual({
    problem: expect.stringMatching(/^The arguments do not fit note: lines: /),
  });
});
