// What is remembered is what was seen: any other argument asks again.
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { reviewCalls, type ReviewContext } from '../../../activities/call/review.ts';
import { argumentsHash } from '../../../activities/store/calls/arguments-hash.ts';
import type { RememberedAnswer } from '../../../activities/store/policies/policy-scopes.ts';
import { createBackground } from '../../../activities/tools/background.ts';
import { publicEgress } from '../../../activities/egress/egress.ts';
import { createTools } from '../../../activities/tools/index.ts';
import { findProfile } from '../../../workflows/policy/presets.ts';
import { toolsOf } from '../../../activities/call/tools-of.ts';
import { attended, runScope } from '../../workflows/policy/decide.ts';

const tools = toolsOf(
  { tools: createTools({ background: createBackground(), egress: publicEgress }) },
  { external_tools: [], preset: null },
);

interface Call {
  tool: string;
  input: Record<string, unknown>;
}

const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

async function decisionOf({ tool, input }: Call, remembered: Call): Promise<string | undefined> {
  const answer = {
    scope: 'run' as const,
    ...{ id: 'a', key: 'r', allows: '', createdBy: 'ada', expiresAt: attended.now },
    ...{ tool: remembered.tool, inputHash: argumentsHash(remembered.input) },
  } satisfies RememberedAnswer;
  const scopes = runScope(findProfile('ask-everything'));
  const context: ReviewContext = { ...attended, tools, scopes, remembered: [answer] };
  const [reviewed] = await reviewCalls(context, 1, [{ id: 'p', name: tool, input: JSON.stringify(input) }]);
  return reviewed?.decision;
}

const shell = fc.record(
  {
    command: fc.constantFrom(
      'npm ci',
      'npm  ci',
      'npm ci ',
      'npm ci &',
      'npm ci; rm -r x',
      'psql < a.sql',
      'x=$(id)',
    ),
    timeoutSeconds: fc.constantFrom(1, 120, 3600),
    background: fc.boolean(),
  },
  { requiredKeys: ['command'] },
);
const write = fc.record({
  path: fc.constantFrom('a', './a', 'b'),
  content: fc.constantFrom('', 'one', 'One', 'one\n'),
});
const fetched = fc.record({
  url: fc.constantFrom('https://a.example/', 'https://a.example/?x', 'https://b.example/'),
});
const call: fc.Arbitrary<Call> = fc.oneof(
  shell.map((input) => ({ tool: 'shell', input })),
  write.map((input) => ({ tool: 'write', input })),
  fetched.map((input) => ({ tool: 'fetch', input })),
);

test('a remembered call is allowed with the same arguments in any order, and with any other it asks again', async () => {
  await fc.assert(
    fc.asyncProperty(call, call, async (remembered, other) => {
      const turned = Object.fromEntries(Object.entries(remembered.input).reverse());
      expect(await decisionOf({ ...remembered, input: turned }, remembered)).toBe('allow');
      const isSame = isDeepStrictEqual(asJson(other), asJson(remembered));
      expect(await decisionOf(other, remembered)).toBe(isSame ? 'allow' : 'ask');
    }),
    { numRuns: 300 },
  );
});

test('each single change of an argument, one that is added or left out, asks again', async () => {
  const remembered = { tool: 'shell', input: { command: 'npm ci', timeoutSeconds: 60 } };
  for (const change of [
    ...[{ command: 'npm ci --force' }, { timeoutSeconds: 61 }, { timeoutSeconds: undefined }],
    ...[{ background: true }, { background: false }],
  ])
    expect([
      change,
      await decisionOf({ tool: 'shell', input: { ...remembered.input, ...change } }, remembered),
    ]).toEqual([change, 'ask']);
});
