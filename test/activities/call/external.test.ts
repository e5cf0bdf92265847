import { expect, test } from 'vitest';
import { parseFor } from '../../../activities/call/arguments.ts';
import { externalShape, externalToolsOf, externalToolsProblem } from '../../../activities/call/external.ts';
import type { RunRow } from '../../../activities/store/runs/runs.ts';
import type { ExternalTool } from '../../../workflows/contracts/external-tool.ts';
import { cpuMs } from '../../support/cpu-time.ts';

function externalInputProblem(tool: ExternalTool, input: unknown): string | undefined {
  const parsed = parseFor(externalShape(tool), JSON.stringify(input), 'repaired');
  return parsed.ok ? undefined : parsed.problem;
}

const nested = { type: 'object', properties: { next: { $ref: '#' }, pattern: { type: 'string' } } };
test.each([
  [{ type: 'object', properties: { name: { type: 'string', pattern: '^[a-z]+$' } } }, undefined],
  [nested, undefined],
  [{ type: 'array' }, 'externalTools: the inputSchema of "lookup" must have "type": "object".'],
  [
    { type: 'object', $ref: '#' },
    'externalTools: the inputSchema of "lookup" cannot be used: Maximum call stack size exceeded.',
  ],
  [
    { type: 'object', allOf: [{ $ref: '#' }] },
    'externalTools: the inputSchema of "lookup" cannot be used: Maximum call stack size exceeded.',
  ],
])('the schema %j of a caller is taken or refused before anything depends on it', (inputSchema, problem) => {
  const tool = { name: 'lookup', description: 'Looks something up.', inputSchema };
  expect(externalToolsProblem([tool], [])).toBe(problem);
});

test('a name that is taken is refused', () => {
  const tool = { name: 'read', description: 'Reads.', inputSchema: { type: 'object' } };
  expect(externalToolsProblem([tool], [{ name: 'read' }])).toBe(
    'externalTools: there is a tool "read" already; use another name.',
  );
});

const onlyB = { type: 'string', pattern: '^b$' };
test.each([
  ['a pattern', { properties: { name: onlyB } }, { name: 'a' }],
  ['the pattern of a property of that name', { properties: { pattern: onlyB } }, { pattern: 'a' }],
  [
    'what names are like',
    { properties: { name: {} }, patternProperties: { '^b$': {} }, additionalProperties: false },
    { name: 'a', b: 1, c: 1 },
  ],
  [
    'which of two alternatives it is by a pattern',
    { properties: { name: { oneOf: [onlyB, { type: 'string', pattern: '^a$' }] } } },
    { name: 'a' },
  ],
])('%s is left to the caller to check, and the rest is held against the schema', (_what, rest, input) => {
  const tool = aTool({ type: 'object', required: ['name', 'pattern'], ...rest });
  expect(externalToolsProblem([tool], [])).toBeUndefined();
  expect(externalInputProblem(tool, input)).toBeUndefined();
  expect(externalInputProblem(tool, {})).toMatch(/^The arguments do not fit lookup: /);
});

test('a property that is called pattern keeps its type', () => {
  const tool = aTool({ type: 'object', properties: { pattern: { type: 'string' } } });
  expect(externalInputProblem(tool, { pattern: 1 })).toMatch(/^The arguments do not fit lookup: /);
});

const doubling = Object.fromEntries(
  Array.from({ length: 40 }, (_, index) => [
    `at${index}`,
    index === 39
      ? { type: 'string' }
      : { allOf: [{ $ref: `#/$defs/at${index + 1}` }, { $ref: `#/$defs/at${index + 1}` }] },
  ]),
);
const slow = { type: 'object', properties: { name: { $ref: '#/$defs/at0' } }, $defs: doubling };

test('all tools of a caller together hold up a worker for a moment at most', () => {
  const names = Array.from({ length: 64 }, (_, index) => `lookup${index}`);
  const brought = names.map((name) => ({ ...aTool(slow), name }));
  const tools = externalToolsOf({ external_tools: brought as unknown as RunRow['external_tools'] });
  const before = cpuMs();
  const problems = tools.map((tool) => externalInputProblem(tool, { name: 'x' }));
  // Two of them with half a second each would take longer than that, by itself.
  expect(cpuMs() - before).toBeLessThan(2000);
  expect(problems).toEqual(
    names.map(
      (name) =>
        `The arguments do not fit ${name}: input: It takes too long to hold them against the inputSchema. Send shorter and simpler ones.`,
    ),
  );
});

test('tools that take too long to look at are refused when they are brought', () => {
  let nested: object = { type: 'string' };
  for (let depth = 0; depth < 13; depth += 1) nested = { anyOf: [nested, nested] };
  const brought = Array.from({ length: 64 }, (_, index) => ({
    ...aTool({ type: 'object', properties: { a: nested } }),
    name: `lookup${index}`,
  }));
  const before = cpuMs();
  expect(externalToolsProblem(brought, [])).toMatch(
    /^externalTools: the inputSchema of "lookup\d+" cannot be used: it takes too long to look at\. Send fewer tools, or simpler ones\.$/,
  );
  // Each by itself takes a tenth of a second.
  expect(cpuMs() - before).toBeLessThan(3000);
});

function aTool(inputSchema: Record<string, unknown>): ExternalTool {
  return { name: 'lookup', description: 'Looks something up.', inputSchema };
}

test('a tool of a caller gets repaired arguments, with nothing put in', () => {
  const count = { type: 'integer', default: 1 };
  const tool = aTool({ type: 'object', properties: { count, more: count }, required: ['count'] });
  expect(parseFor(externalShape(tool), '{"count": "3"}', 'repaired')).toEqual({
    ok: true,
    input: { count: 3 },
    repairs: ['count: a number in quotes, read as one'],
  });
});
